//! Transcribes windows, one after the other.

use std::sync::Arc;

use rand::{SeedableRng, rngs::StdRng};
use rayon::{ThreadPool, ThreadPoolBuilder};
use trunkline_inference::ModelError;

use super::{
    Whisper,
    decoder::{Memory, Next},
    layers::Work,
    mel::{HOP, LogMel},
    writing::{Manner, Transcribed, Writing},
};

/// Samples that an encoder position stands for.
const SAMPLES_PER_POSITION: usize = 2 * HOP;

/// What to transcribe, and how.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// 16 kHz mono, -1..=1.
    pub samples: &'a [f32],
    /// ISO 639-1; `None` has the model find out.
    pub language: Option<&'a str>,
    /// Whether it is translated into English.
    pub translates: bool,
    /// What was said before, or words that are likely to come.
    pub prompt: &'a str,
    /// The last tokens of the prompt that are read.
    pub prompt_tokens: usize,
    /// Encoder positions, 50 a second.
    pub positions: usize,
    /// The same for finding out the language.
    pub language_positions: usize,
    /// Tokens after which it ends.
    pub most_tokens: usize,
    /// Tokens of text beyond which a repetition is a loop.
    pub plausible_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Whether it is told when each token may begin.
    pub tells_begins: bool,
}

/// Working memory for one transcription at a time, and threads to compute on.
pub struct Scribe {
    whisper: Arc<Whisper>,
    threads: ThreadPool,
    mel: LogMel,
    work: Work,
    logits: Vec<f32>,
    chance: StdRng,
}

impl Scribe {
    /// Starts the threads; they have the priority of the one that calls.
    pub fn new(whisper: Arc<Whisper>, threads: usize) -> Result<Self, ModelError> {
        let named = |n| format!("whisper-{n}");
        let threads =
            ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(named).build();
        let threads =
            threads.map_err(|e| ModelError::Engine { engine: "whisper", reason: e.to_string() })?;
        let mel = LogMel::new(&whisper.filters);
        let (work, logits) = (Work::default(), Vec::new());
        Ok(Self { whisper, threads, mel, work, logits, chance: StdRng::seed_from_u64(0) })
    }

    /// The model.
    pub fn whisper(&self) -> &Whisper {
        &self.whisper
    }

    /// Transcribes; `None` when `interrupted` said to give up. It is asked after encoding and before
    /// each token.
    pub fn transcribe(
        &mut self,
        task: &Task<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Transcribed>, ModelError> {
        self.whisper.check(task.language, task.translates)?;
        let whisper = Arc::clone(&self.whisper);
        let vocabulary = &whisper.vocabulary;
        let special = vocabulary.special;
        let (mut memory, language) = match task.language {
            _ if special.languages == 0 => (self.listen(task, task.positions), "en"),
            Some(language) => {
                let token = vocabulary.language(language).unwrap_or(special.start + 1);
                (self.listen(task, task.positions), vocabulary.language_of(token))
            }
            None => self.find_out(task),
        };
        let mut tokens = self.beginning(task, language);
        let mut writing = Writing::new(
            special,
            Manner {
                samples: task.samples.len(),
                most: task.most_tokens,
                plausible: task.plausible_tokens,
                temperature: task.temperature,
                tells_begins: task.tells_begins,
            },
        );
        loop {
            if interrupted() {
                return Ok(None);
            }
            if memory.tokens + tokens.len() > whisper.decoder.positions() {
                break;
            }
            self.read(&mut memory, &tokens);
            match writing.write(&mut self.logits, &mut self.chance) {
                Some(token) => tokens = vec![token],
                None => break,
            }
        }
        Ok(Some(writing.finish(vocabulary, language)))
    }

    /// Hears the sound in a window of so many positions.
    fn listen(&mut self, task: &Task<'_>, positions: usize) -> Memory {
        let Self { whisper, threads, mel, work, .. } = self;
        let positions = positions.clamp(1, whisper.encoder.positions());
        let heard = task.samples.len().min(positions * SAMPLES_PER_POSITION);
        threads.install(|| {
            let features = mel.features(&task.samples[..heard], 2 * positions);
            whisper.decoder.listen(&whisper.encoder.run(&features, work), work)
        })
    }

    /// Finds out the language, in a window that may be wider than the text's.
    fn find_out(&mut self, task: &Task<'_>) -> (Memory, &'static str) {
        let special = self.whisper.vocabulary.special;
        let wide = task.language_positions.max(task.positions);
        let mut memory = self.listen(task, wide);
        self.read(&mut memory, &[special.start]);
        let languages = special.start + 1..=special.start + special.languages;
        let logit = |token: &u32| self.logits[*token as usize];
        let token = languages.max_by(|a, b| logit(a).total_cmp(&logit(b)));
        let language = self.whisper.vocabulary.language_of(token.unwrap_or(special.start + 1));
        if wide == task.positions {
            memory.forget_text();
            return (memory, language);
        }
        (self.listen(task, task.positions), language)
    }

    /// What the decoder reads before it writes.
    fn beginning(&self, task: &Task<'_>, language: &str) -> Vec<u32> {
        let vocabulary = &self.whisper.vocabulary;
        let special = vocabulary.special;
        let mut prompt = vocabulary.tokenize(task.prompt);
        prompt.drain(..prompt.len().saturating_sub(task.prompt_tokens));
        if !prompt.is_empty() {
            prompt.insert(0, special.previous);
        }
        prompt.push(special.start);
        if special.languages > 0 {
            prompt.extend(vocabulary.language(language));
            prompt.push(if task.translates { special.translate } else { special.transcribe });
        }
        prompt
    }

    fn read(&mut self, memory: &mut Memory, tokens: &[u32]) {
        let Self { whisper, threads, work, logits, .. } = self;
        threads.install(|| whisper.decoder.step(&mut [Next { memory, tokens }], logits, work));
    }
}
