//! What steps take.

use std::time::Duration;

use trunkline_inference::capacity::{Gpu, Models};

/// A device and the models on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Machine {
    /// A GPU, by its roofline.
    Gpu(Gpu, Models),
    /// Two cores of an EPYC (Zen 4) with the set `tiny`: the recognizer and the voice as `benches/RESULTS.md` has
    /// them measured, the language model's tokens assumed (its first token takes 133 ms there).
    TwoCores,
}

/// Seconds on two cores: a clip through the recognizer, a token of the language model written alone or read,
/// and a second of sound from the voice, which uses one thread.
const CLIP: f64 = 0.070;
const TOKEN_WRITTEN: f64 = 0.016;
const TOKEN_READ: f64 = 0.002;
const SOUND: f64 = 0.075;

/// What a step takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// Seconds in which the device waits for its launches, and could work for others.
    pub idle: f64,
    /// Seconds of all of the device.
    pub work: f64,
}

impl Took {
    fn of(all: f64, idle: f64) -> Self {
        Self { idle, work: all - idle }
    }
}

impl Machine {
    /// So many seconds on a GPU, whose steps take in more work for little more.
    pub(super) fn pace(&self, seconds: f64) -> Option<Duration> {
        matches!(self, Self::Gpu(..)).then(|| Duration::from_secs_f64(seconds))
    }

    /// To transcribe windows of so many seconds in all.
    pub fn hear(&self, window_seconds: f64, longest_seconds: f64) -> Took {
        match self {
            Self::Gpu(gpu, Models { recognizer, .. }) => {
                let all = recognizer.step_seconds(gpu, window_seconds, longest_seconds);
                Took::of(all, recognizer.start_seconds(longest_seconds))
            }
            Self::TwoCores => Took::of(CLIP * window_seconds / 5.0, 0.0),
        }
    }

    /// Seconds of the window for so much sound.
    pub fn window(&self, sound_seconds: f64) -> f64 {
        match self {
            Self::Gpu(_, models) => models.recognizer.window(sound_seconds),
            Self::TwoCores => sound_seconds.max(1.0),
        }
    }

    /// To evaluate so many tokens of sequences that hold so many together.
    pub fn think(&self, rows: f64, context_tokens: f64) -> Took {
        match self {
            Self::Gpu(gpu, Models { language, .. }) => {
                let all = language.step_seconds(gpu, rows, context_tokens);
                Took::of(all, language.start_seconds())
            }
            Self::TwoCores => Took::of(TOKEN_WRITTEN + TOKEN_READ * (rows - 1.0), 0.0),
        }
    }

    /// To say so many seconds of sound.
    pub fn speak(&self, sound_seconds: f64) -> Took {
        match self {
            Self::Gpu(gpu, Models { voice, .. }) => {
                Took::of(voice.step_seconds(gpu, sound_seconds), voice.start)
            }
            Self::TwoCores => Took::of(SOUND * sound_seconds, 0.0),
        }
    }

    /// Windows that are transcribed together at most.
    pub fn most_windows(&self) -> usize {
        match self {
            Self::Gpu(..) => 64,
            Self::TwoCores => 1,
        }
    }

    /// Clauses that are said together at most.
    pub fn most_clauses(&self) -> usize {
        match self {
            Self::Gpu(..) => 64,
            Self::TwoCores => 1,
        }
    }

    /// Replies that are written together at most.
    pub fn most_replies(&self) -> usize {
        match self {
            Self::Gpu(..) => 256,
            Self::TwoCores => 16,
        }
    }

    /// Tokens of one step of the language model at most.
    pub fn most_rows(&self) -> f64 {
        match self {
            Self::Gpu(..) => 512.0,
            Self::TwoCores => 64.0,
        }
    }
}
