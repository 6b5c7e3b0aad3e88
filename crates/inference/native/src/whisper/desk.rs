//! One transcription at work.

use rand::{SeedableRng, rngs::StdRng};

use super::{
    network::{Text, Window},
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
    /// The window is encoded, for so many steps already.
    Encoding { steps: usize, positions: usize },
    /// The text is written, or, while the language is not known, its first token read: these tokens are
    /// next, after so many.
    Writing { read: usize, tokens: Vec<u32> },
}

impl Desk {
    /// Of features for a window of `wide` positions, in which the language is found out; the text is
    /// written in one of `positions`.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        task: &Task<'_>,
        features: Vec<f32>,
        (positions, wide): (usize, usize),
    ) -> Self {
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
            stage: Stage::Encoding { steps: 0, positions: wide },
        }
    }

    /// The window, of features of `mels` numbers, while it is being encoded.
    pub(crate) fn window(&self, desk: usize, mels: usize) -> Option<Window<'_>> {
        match self.stage {
            Stage::Encoding { positions, .. } => {
                Some(Window { desk, features: &self.features[..2 * positions * mels], positions })
            }
            Stage::Writing { .. } => None,
        }
    }

    /// Steps that its window was worked on.
    pub(crate) fn steps(&self) -> usize {
        match self.stage {
            Stage::Encoding { steps, .. } => steps,
            Stage::Writing { .. } => 0,
        }
    }

    /// Its window was worked on.
    pub(crate) fn was_worked_on(&mut self) {
        if let Stage::Encoding { steps, .. } = &mut self.stage {
            *steps += 1;
        }
    }

    /// Its window is encoded.
    pub(crate) fn listens(&mut self, vocabulary: &Vocabulary) {
        self.stage = Stage::Writing { read: 0, tokens: self.beginning(vocabulary) };
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
        if let Stage::Writing { read, tokens } = &mut self.stage {
            *read += tokens.len();
        }
        if self.language.is_none() {
            self.find_out(logits, vocabulary);
            return true;
        }
        let next = self.writing.write(logits, &mut self.chance);
        match (next, &mut self.stage) {
            (Some(token), Stage::Writing { read, tokens }) if *read < room => {
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
        if self.wide == self.positions {
            self.listens(vocabulary);
        } else {
            self.stage = Stage::Encoding { steps: 0, positions: self.positions };
        }
    }

    /// Its text's next tokens; none while its window is being encoded.
    pub(crate) fn next(&self, desk: usize) -> Option<Text<'_>> {
        match &self.stage {
            Stage::Writing { read, tokens } => Some(Text { desk, position: *read, tokens }),
            Stage::Encoding { .. } => None,
        }
    }

    /// What was transcribed.
    pub(crate) fn finish(self, vocabulary: &Vocabulary) -> Transcribed {
        self.writing.finish(vocabulary, self.language.unwrap_or("en"))
    }
}
