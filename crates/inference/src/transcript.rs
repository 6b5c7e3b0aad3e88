//! Speech to text.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use trunkline_audio::{Frame, MediaTime};

use crate::{ModelStream, Party, lane::Load};

/// What a recognizer is fed.
#[derive(Clone, Debug)]
pub enum SttInput {
    /// 16 kHz mono sound.
    Frame(Frame),
    /// Say now what was said in everything fed so far; the answer carries `ask`. More may follow.
    Finalize {
        /// Returned with the answer.
        ask: u32,
    },
}

/// Sound on its way to a recognizer. Its end means that nothing more will be said: the recognizer
/// answers once more for what it has not yet answered for, and ends.
pub type HearingStream = Pin<Box<dyn Stream<Item = SttInput> + Send>>;

/// What to write down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SttTask {
    /// What was said, in the language it was said in.
    #[default]
    Transcribe,
    /// What was said, in English.
    Translate,
}

/// How much is told of a transcript beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SttDetail {
    /// Nothing: what calls want.
    #[default]
    Text,
    /// Its segments with their times and tokens.
    Segments,
    /// The times of its words too.
    Words,
}

/// How to transcribe.
#[derive(Clone, Debug, Default)]
pub struct SttOptions {
    /// ISO 639-1 code; `None` has the model find out.
    pub language: Option<String>,
    /// Words that are likely to come.
    pub prompt: Option<String>,
    /// Whether partial transcripts are wanted while the caller speaks.
    pub partials: bool,
    /// What to write down.
    pub task: SttTask,
    /// Sampling temperature, 0..=1; 0 is greedy.
    pub temperature: f32,
    /// What is told beside the text.
    pub detail: SttDetail,
    /// For whom it is.
    pub party: Party,
}

/// A token of a transcript.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SttToken {
    /// The model's number for it.
    pub id: u32,
    /// Its bytes; they may end inside a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
}

/// A word of a transcript.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word {
    /// The word with its punctuation, without space around.
    pub text: String,
    /// Where it begins, from the stream's start.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
}

/// A stretch of speech, a sentence or a part of one, as the model divides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// What was said, trimmed.
    pub text: String,
    /// Where it begins, from the stream's start.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
    /// The tokens of the text.
    pub tokens: Vec<SttToken>,
    /// Its words, with [`SttDetail::Words`].
    pub words: Vec<Word>,
    /// Probability that nobody spoke, 0..=1.
    pub no_speech: f32,
}

/// What was said from the stream's start to `end`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// Everything recognized since the stream began, trimmed.
    pub text: String,
    /// The number of the `Finalize` that this answers, `None` for a partial.
    pub ask: Option<u32>,
    /// How much sound the text covers, from the stream's start.
    pub end: MediaTime,
    /// Probability that nobody spoke, 0..=1.
    pub no_speech: f32,
    /// Mean log-probability of the decoded tokens.
    pub avg_logprob: f32,
    /// Length of the text over its length compressed.
    pub compression_ratio: f32,
    /// How long the engine worked for this answer.
    pub worked: Duration,
    /// ISO 639-1 code of what was spoken, given or found; `None` while nothing was.
    pub language: Option<String>,
    /// Its segments, with [`SttDetail::Segments`] and above.
    pub segments: Vec<Segment>,
}

/// Transcripts, each replacing the one before.
pub type TranscriptStream = ModelStream<Transcript>;

/// Turns speech into text.
///
/// One stream is one turn of one caller: frames go in from shortly before speech began, and each
/// `Finalize` is answered as soon as the engine can with the text of everything so far. A recognizer
/// works ahead while frames come in (partial transcripts, encoder windows), so that little is left to
/// do at a `Finalize`; what it does ahead it drops at once when a `Finalize` of any call arrives.
/// Dropping the stream frees the slot.
pub trait SpeechToText: Send + Sync {
    /// Begins to listen.
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream;

    /// How busy the lanes are that it works on.
    fn lane_loads(&self) -> Vec<Arc<Load>> {
        Vec::new()
    }
}
