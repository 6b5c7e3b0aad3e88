//! Text to speech.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use trunkline_audio::Frame;

use crate::{ModelError, ModelStream, Party, lane::Load};

/// Bytes of a clause that sounds for about a second: a letter sounds for 65 ms, a syllable sign of three bytes for 200.
const SHORT: usize = 16;

/// A piece of text that can be spoken by itself: a sentence, or a part up to a comma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What the chat keeps: the model's own words.
    pub text: String,
    /// What the voice says: numbers, currency and abbreviations written out.
    pub speakable: String,
}

impl Clause {
    /// Whether it sounds for a second at most, which the next one takes to be made where there are many calls.
    pub fn is_short(&self) -> bool {
        self.speakable.len() <= SHORT
    }
}

/// Clauses on their way to a voice, or the failure of whoever makes them.
pub type ClauseStream = Pin<Box<dyn Stream<Item = Result<Clause, ModelError>> + Send>>;

/// Which voice, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// The voice's name within its model; empty for the model's only or default one.
    pub name: String,
    /// 1.0 is as recorded; 0.25..=4.0.
    pub speed: f32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { name: String::new(), speed: 1.0 }
    }
}

/// When a word has been spoken whole, from the start of its clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordTiming {
    /// The word.
    pub word: String,
    /// Its end.
    pub end: Duration,
}

/// A piece of speech.
#[derive(Clone, Debug, PartialEq)]
pub enum SpeechPiece {
    /// 24 kHz mono sound of the clause that is being spoken.
    Audio(Frame),
    /// The clause ends here.
    ClauseEnd {
        /// The clause.
        clause: Clause,
        /// How long it sounds.
        duration: Duration,
        /// Its words, where the model tells.
        words: Vec<WordTiming>,
    },
}

/// Speech as it is synthesized.
pub type SpeechStream = ModelStream<SpeechPiece>;

/// Speaks text.
///
/// Clauses are spoken in order, each as soon as it arrives; the first audio leaves as early as the
/// model can. Dropping the stream stops the work.
pub trait TextToSpeech: Send + Sync {
    /// Begins to speak to `party`.
    fn speak(&self, clauses: ClauseStream, voice: &Voice, party: Party) -> SpeechStream;

    /// The voices by name, the default one first.
    fn voices(&self) -> Vec<String>;

    /// How busy the lanes are that it works on.
    fn lane_loads(&self) -> Vec<Arc<Load>> {
        Vec::new()
    }
}
