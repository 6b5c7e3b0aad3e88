//! Transcribes windows, several at a time: the most urgent is encoded, and all that may write write
//! their next token together.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use trunkline_inference::ModelError;

use super::{
    Whisper,
    decoder::Next,
    desk::Desk,
    layers::Work,
    mel::{HOP, LogMel},
    writing::Transcribed,
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

/// Working memory for some transcriptions at a time, and threads to compute on.
pub struct Scribe {
    whisper: Arc<Whisper>,
    threads: ThreadPool,
    mel: LogMel,
    work: Work,
    logits: Vec<f32>,
    desks: Vec<Option<Desk>>,
}

/// How soon a desk's work is wanted: the lower, the sooner.
pub type Urgency = u8;

impl Scribe {
    /// Starts the threads, with the priority of the one that calls. There is a transcription at each
    /// desk.
    pub fn new(whisper: Arc<Whisper>, threads: usize, desks: usize) -> Result<Self, ModelError> {
        let named = |n| format!("whisper-{n}");
        let threads = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(named);
        let threads = threads
            .build()
            .map_err(|e| ModelError::Engine { engine: "whisper", reason: e.to_string() })?;
        Ok(Self {
            mel: LogMel::new(&whisper.filters),
            whisper,
            threads,
            work: Work::default(),
            logits: Vec::new(),
            desks: (0..desks.max(1)).map(|_| None).collect(),
        })
    }

    /// The model.
    pub fn whisper(&self) -> &Whisper {
        &self.whisper
    }

    /// How many desks there are.
    pub fn desks(&self) -> usize {
        self.desks.len()
    }

    /// Puts a task on a desk, in the place of what lies there.
    pub fn begin(&mut self, desk: usize, task: &Task<'_>) -> Result<(), ModelError> {
        self.whisper.check(task.language, task.translates)?;
        let finds_out = task.language.is_none() && self.whisper.vocabulary.special.languages > 0;
        let most = self.whisper.encoder.positions();
        let positions = task.positions.clamp(1, most);
        let wide =
            if finds_out { task.language_positions.clamp(positions, most) } else { positions };
        let heard = task.samples.len().min(wide * SAMPLES_PER_POSITION);
        let features = self.mel.features(&task.samples[..heard], 2 * wide);
        self.desks[desk] = Some(Desk::new(&self.whisper, task, features, (positions, wide)));
        Ok(())
    }

    /// Works for a little: a layer of the most urgent window that is being encoded, then a token of each
    /// text that is no less urgent. `urgency` is asked for each desk; what it knows no urgency of is given
    /// up. What has come to its end, or to nothing.
    pub fn step(
        &mut self,
        urgency: &mut dyn FnMut(usize) -> Option<Urgency>,
    ) -> Vec<(usize, Option<Transcribed>)> {
        let mut ended = Vec::new();
        let mut urgencies = vec![None; self.desks.len()];
        for (desk, wanted) in urgencies.iter_mut().enumerate() {
            if self.desks[desk].is_some() {
                *wanted = urgency(desk);
                if wanted.is_none() {
                    self.desks[desk] = None;
                    ended.push((desk, None));
                }
            }
        }
        let encoded = self.encode(&urgencies);
        for desk in self.write(&urgencies, encoded) {
            let finished = self.desks[desk].take();
            ended.extend(finished.map(|it| (desk, Some(it.finish(&self.whisper.vocabulary)))));
        }
        ended
    }

    /// Encodes a little of the most urgent window that is not encoded yet; how urgent it is.
    fn encode(&mut self, urgencies: &[Option<Urgency>]) -> Option<Urgency> {
        let Self { whisper, threads, work, desks, .. } = self;
        let waiting = desks.iter_mut().zip(urgencies).filter_map(|(desk, urgency)| {
            desk.as_mut().filter(|desk| desk.is_encoding()).zip(*urgency)
        });
        // Of equals the one that is furthest on.
        let (desk, urgency) = waiting
            .min_by_key(|(desk, urgency)| (*urgency, std::cmp::Reverse(desk.layers_done())))?;
        threads.install(|| desk.encode(whisper, work));
        Some(urgency)
    }

    /// Writes a token of each text that is at least so urgent; the desks whose text has ended.
    fn write(&mut self, urgencies: &[Option<Urgency>], least: Option<Urgency>) -> Vec<usize> {
        let Self { whisper, threads, work, logits, desks, .. } = self;
        let may_write = |urgency: &Option<Urgency>| match (urgency, least) {
            (Some(urgency), Some(least)) => *urgency <= least,
            (urgency, None) => urgency.is_some(),
            (None, Some(_)) => false,
        };
        let mut writers: Vec<_> = desks
            .iter_mut()
            .zip(urgencies)
            .enumerate()
            .filter(|(_, (_, urgency))| may_write(urgency))
            .filter_map(|(number, (desk, _))| Some((number, desk.as_mut()?)))
            .filter(|(_, desk)| !desk.is_encoding())
            .collect();
        if writers.is_empty() {
            return Vec::new();
        }
        let mut next: Vec<Next<'_>> =
            writers.iter_mut().filter_map(|(_, desk)| desk.next()).collect();
        threads.install(|| whisper.decoder.step(&mut next, logits, work));
        let rows = logits.chunks_exact_mut(whisper.decoder.words());
        let room = whisper.decoder.positions();
        let mut ended = Vec::new();
        for ((number, desk), row) in writers.into_iter().zip(rows) {
            if !desk.write(row, room, &whisper.vocabulary) {
                ended.push(number);
            }
        }
        ended
    }

    /// Transcribes one task alone; `None` when `interrupted` said to give up. It is asked before each
    /// layer and each token.
    pub fn transcribe(
        &mut self,
        task: &Task<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Transcribed>, ModelError> {
        self.begin(0, task)?;
        loop {
            let ended = self.step(&mut |_| (!interrupted()).then_some(0));
            if let Some((_, transcribed)) = ended.into_iter().next() {
                return Ok(transcribed);
            }
        }
    }
}
