//! One transcription at work.

use rand::{SeedableRng, rngs::StdRng};

use super::{
    Whisper,
    decoder::{Memory, Next},
    layers::Work,
    scribe::Task,
    vocabulary::Vocabulary,
    writing::{Manner, Transcribed, Writing},
};

/// A window, and its text so far.
pub(crate) struct Desk {
    /// `[frames, mels]`, as many as the widest window takes.
    features: Vec<f32>,
    /// Encoder positions of the text's window, and of the one in which the language is found out.
    positions: usize,
    wide: usize,
    /// `None` until it is known.
    language: Option<&'static str>,
    /// What is read before the text, but for the language.
    prompt: Vec<u32>,
    translates: bool,
    writing: Writing,
    /// Its own: a text written by chance is the same alone and beside others.
    chance: StdRng,
    stage: Stage,
}

/// What is done next.
enum Stage {
    /// The window is encoded; `rows` are empty before it has begun.
    Encoding { rows: Vec<f32>, layers: usize, positions: usize },
    /// The text is written; or, while the language is not known, its first token is read.
    Writing { memory: Memory, tokens: Vec<u32> },
}

impl Desk {
    /// Of features for a window of `wide` positions, in which the language is found out; the text is
    /// written in one of `positions`.
    pub(crate) fn new(
        whisper: &Whisper,
        task: &Task<'_>,
        features: Vec<f32>,
        (positions, wide): (usize, usize),
    ) -> Self {
        let vocabulary = &whisper.vocabulary;
        let mut prompt = vocabulary.tokenize(task.prompt);
        prompt.drain(..prompt.len().saturating_sub(task.prompt_tokens));
        let manner = Manner {
            samples: task.samples.len(),
            most: task.most_tokens,
            plausible: task.plausible_tokens,
            temperature: task.temperature,
            tells_begins: task.tells_begins,
        };
        let known =
            |language| vocabulary.language(language).map(|token| vocabulary.language_of(token));
        let of_english = vocabulary.special.languages == 0;
        Self {
            features,
            positions,
            wide,
            language: if of_english { Some("en") } else { task.language.and_then(known) },
            prompt,
            translates: task.translates,
            writing: Writing::new(vocabulary.special, manner),
            chance: StdRng::seed_from_u64(0),
            stage: Stage::Encoding { rows: Vec::new(), layers: 0, positions: wide },
        }
    }

    pub(crate) fn is_encoding(&self) -> bool {
        matches!(self.stage, Stage::Encoding { .. })
    }

    pub(crate) fn layers_done(&self) -> usize {
        match &self.stage {
            Stage::Encoding { layers, .. } => *layers,
            Stage::Writing { .. } => 0,
        }
    }

    /// Encodes a layer more; the last one makes it ready to write.
    pub(crate) fn encode(&mut self, whisper: &Whisper, work: &mut Work) {
        let Stage::Encoding { rows, layers, positions } = &mut self.stage else { return };
        let encoder = &whisper.encoder;
        if rows.is_empty() {
            let frames = 2 * *positions * encoder.mels();
            *rows = encoder.begin(&self.features[..frames], work);
        }
        encoder.layer(*layers, rows, work);
        *layers += 1;
        if *layers == encoder.layers() {
            let memory = whisper.decoder.listen(&encoder.finish(rows), work);
            let tokens = self.beginning(&whisper.vocabulary);
            self.stage = Stage::Writing { memory, tokens };
        }
    }

    /// What the decoder reads first.
    fn beginning(&self, vocabulary: &Vocabulary) -> Vec<u32> {
        let special = vocabulary.special;
        let Some(language) = self.language else { return vec![special.start] };
        let mut tokens = Vec::with_capacity(self.prompt.len() + 4);
        if !self.prompt.is_empty() {
            tokens.push(special.previous);
            tokens.extend(&self.prompt);
        }
        tokens.push(special.start);
        if special.languages > 0 {
            tokens.extend(vocabulary.language(language));
            tokens.push(if self.translates { special.translate } else { special.transcribe });
        }
        tokens
    }

    /// Takes the logits after what was read; false at the text's end. `room` is how many tokens the
    /// decoder takes.
    pub(crate) fn write(
        &mut self,
        logits: &mut [f32],
        room: usize,
        vocabulary: &Vocabulary,
    ) -> bool {
        if self.language.is_none() {
            self.find_out(logits, vocabulary);
            return true;
        }
        let next = self.writing.write(logits, &mut self.chance);
        match (next, &mut self.stage) {
            (Some(token), Stage::Writing { memory, tokens }) if memory.tokens < room => {
                tokens.clear();
                tokens.push(token);
                true
            }
            _ => false,
        }
    }

    /// Notes the most probable language, and begins with the text.
    fn find_out(&mut self, logits: &[f32], vocabulary: &Vocabulary) {
        let special = vocabulary.special;
        let languages = special.start + 1..=special.start + special.languages;
        let logit = |token: &u32| logits[*token as usize];
        let token = languages.max_by(|a, b| logit(a).total_cmp(&logit(b)));
        self.language = Some(vocabulary.language_of(token.unwrap_or(special.start + 1)));
        let beginning = self.beginning(vocabulary);
        if let Stage::Writing { memory, tokens } = &mut self.stage
            && self.wide == self.positions
        {
            memory.forget_text();
            *tokens = beginning;
            return;
        }
        let positions = self.positions;
        self.stage = Stage::Encoding { rows: Vec::new(), layers: 0, positions };
    }

    /// Its text's next tokens; none while it is being encoded.
    pub(crate) fn next(&mut self) -> Option<Next<'_>> {
        match &mut self.stage {
            Stage::Writing { memory, tokens } => Some(Next { memory, tokens }),
            Stage::Encoding { .. } => None,
        }
    }

    /// What was transcribed.
    pub(crate) fn finish(self, vocabulary: &Vocabulary) -> Transcribed {
        self.writing.finish(vocabulary, self.language.unwrap_or("en"))
    }
}
