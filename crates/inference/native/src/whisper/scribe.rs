//! Transcribes windows, several at a time: the most urgent is encoded, and all that may write write
//! their next token together.

use std::sync::Arc;

use trunkline_inference::ModelError;

use super::{
    Whisper,
    cpu::Cpu,
    desk::Desk,
    edges::Edges,
    mel::{HOP, LogMel},
    network::{Network, Text, Window},
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

/// Some transcriptions at a time, and the network that computes them.
pub struct Scribe {
    edges: Arc<Edges>,
    network: Box<dyn Network>,
    mel: LogMel,
    logits: Vec<f32>,
    desks: Vec<Option<Desk>>,
}

/// How soon a desk's work is wanted: the lower, the sooner.
pub type Urgency = u8;

/// What came of a desk: `None` when it was given up.
pub type Came = Result<Option<Transcribed>, ModelError>;

impl Scribe {
    /// On the CPU, with so many threads of the priority of the one that calls. There is a transcription
    /// at each desk.
    pub fn new(whisper: Arc<Whisper>, threads: usize, desks: usize) -> Result<Self, ModelError> {
        let (edges, desks) = (Arc::clone(&whisper.edges), desks.max(1));
        let cpu = Cpu::new(whisper, threads, desks).map_err(|e| failed(&e.to_string()))?;
        Ok(Self::on(edges, Box::new(cpu), desks))
    }

    /// On a network that has loaded the same model for so many desks.
    pub fn on(edges: Arc<Edges>, network: Box<dyn Network>, desks: usize) -> Self {
        Self {
            mel: LogMel::new(&edges.filters),
            edges,
            network,
            logits: Vec::new(),
            desks: (0..desks.max(1)).map(|_| None).collect(),
        }
    }

    /// As [`Edges::check`].
    pub fn check(&self, language: Option<&str>, translates: bool) -> Result<(), ModelError> {
        self.edges.check(language, translates)
    }

    /// How many desks there are.
    pub fn desks(&self) -> usize {
        self.desks.len()
    }

    /// Puts a task on a desk, in the place of what lies there.
    pub fn begin(&mut self, desk: usize, task: &Task<'_>) -> Result<(), ModelError> {
        let Self { edges, network, mel, desks, .. } = self;
        edges.check(task.language, task.translates)?;
        let vocabulary = &edges.vocabulary;
        let finds_out = task.language.is_none() && vocabulary.special.languages > 0;
        let most = edges.sizes.audio_positions;
        let positions = task.positions.clamp(1, most);
        let wide =
            if finds_out { task.language_positions.clamp(positions, most) } else { positions };
        let heard = task.samples.len().min(wide * SAMPLES_PER_POSITION);
        let features = mel.features(&task.samples[..heard], 2 * wide);
        network.forget(desk);
        desks[desk] = Some(Desk::new(vocabulary, task, features, (positions, wide)));
        Ok(())
    }

    /// Works for a little: on the most urgent windows that are being encoded, then on a token of each text
    /// that is no less urgent. `urgency` is asked for each desk; what it knows no urgency of is given up.
    /// What has come to its end, or to nothing.
    pub fn step(
        &mut self,
        urgency: &mut dyn FnMut(usize) -> Option<Urgency>,
    ) -> Vec<(usize, Came)> {
        let mut ended = Vec::new();
        let mut urgencies = vec![None; self.desks.len()];
        for (desk, wanted) in urgencies.iter_mut().enumerate() {
            if self.desks[desk].is_some() {
                *wanted = urgency(desk);
                if wanted.is_none() {
                    ended.push((desk, Ok(None)));
                    self.clear(desk);
                }
            }
        }
        let encoded = self.encode(&urgencies, &mut ended);
        self.write(&urgencies, encoded, &mut ended);
        ended
    }

    /// Encodes a little of the most urgent windows that are not encoded yet; how urgent the first is.
    fn encode(
        &mut self,
        urgencies: &[Option<Urgency>],
        ended: &mut Vec<(usize, Came)>,
    ) -> Option<Urgency> {
        let Self { edges, network, desks, .. } = self;
        let mels = edges.sizes.mels;
        let mut waiting: Vec<_> = desks
            .iter()
            .zip(urgencies)
            .enumerate()
            .filter_map(|(number, (desk, urgency))| {
                let desk = desk.as_ref()?;
                Some(((*urgency)?, std::cmp::Reverse(desk.steps()), desk.window(number, mels)?))
            })
            .collect();
        // Of equals the one that is furthest on.
        waiting.sort_by_key(|(urgency, steps, _)| (*urgency, *steps));
        let urgency = waiting.first()?.0;
        let windows: Vec<Window<'_>> = waiting.into_iter().map(|(_, _, window)| window).collect();
        let encoded = network.encode(&windows);
        let numbers: Vec<usize> = windows.iter().map(|window| window.desk).collect();
        match encoded {
            Ok(encoded) => self.were_worked_on(&numbers, encoded),
            Err(reason) => self.fail(&numbers, &reason, ended),
        }
        Some(urgency)
    }

    /// The windows of these desks were worked on, and so many of the first are encoded.
    fn were_worked_on(&mut self, numbers: &[usize], encoded: usize) {
        for (n, &number) in numbers.iter().enumerate() {
            let Some(desk) = &mut self.desks[number] else { continue };
            if n < encoded {
                desk.listens(&self.edges.vocabulary);
            } else if n == 0 {
                desk.was_worked_on();
            }
        }
    }

    /// Writes a token of each text that is at least so urgent.
    fn write(
        &mut self,
        urgencies: &[Option<Urgency>],
        least: Option<Urgency>,
        ended: &mut Vec<(usize, Came)>,
    ) {
        let may_write = |urgency: &Option<Urgency>| match (urgency, least) {
            (Some(urgency), Some(least)) => *urgency <= least,
            (urgency, None) => urgency.is_some(),
            (None, Some(_)) => false,
        };
        let Self { edges, network, logits, desks, .. } = self;
        let texts: Vec<Text<'_>> = desks
            .iter()
            .zip(urgencies)
            .enumerate()
            .filter(|(_, (_, urgency))| may_write(urgency))
            .filter_map(|(number, (desk, _))| desk.as_ref()?.next(number))
            .collect();
        if texts.is_empty() {
            return;
        }
        let numbers: Vec<usize> = texts.iter().map(|text| text.desk).collect();
        if let Err(reason) = network.read(&texts, logits) {
            return self.fail(&numbers, &reason, ended);
        }
        let (vocabulary, sizes) = (&edges.vocabulary, edges.sizes);
        for (number, row) in numbers.into_iter().zip(logits.chunks_exact_mut(sizes.words)) {
            let room = sizes.text_positions;
            let finished = desks[number].take_if(|desk| !desk.write(row, room, vocabulary));
            if let Some(desk) = finished {
                network.forget(number);
                ended.push((number, Ok(Some(desk.finish(vocabulary)))));
            }
        }
    }

    /// The network failed at these desks.
    fn fail(&mut self, numbers: &[usize], reason: &str, ended: &mut Vec<(usize, Came)>) {
        for &number in numbers {
            self.clear(number);
            ended.push((number, Err(failed(reason))));
        }
    }

    fn clear(&mut self, desk: usize) {
        self.desks[desk] = None;
        self.network.forget(desk);
    }

    /// Transcribes one task alone; `None` when `interrupted` said to give up. It is asked before each
    /// layer and each token.
    pub fn transcribe(&mut self, task: &Task<'_>, interrupted: &mut dyn FnMut() -> bool) -> Came {
        self.begin(0, task)?;
        loop {
            let ended = self.step(&mut |_| (!interrupted()).then_some(0));
            if let Some((_, came)) = ended.into_iter().next() {
                return came;
            }
        }
    }
}

fn failed(reason: &str) -> ModelError {
    ModelError::Engine { engine: "whisper", reason: reason.to_owned() }
}
