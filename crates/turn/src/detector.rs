//! From voice-activity probabilities to the beginning and end of speech, with hysteresis.

use std::time::{Duration, Instant};

use crate::Evidence;

/// When sound counts as speech.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorConfig {
    /// Speech begins with windows of at least this probability. 0.5: Silero's own threshold.
    pub start_probability: f32,
    /// Speech goes on with windows of at least this probability. 0.35: below the start, or the end
    /// of every word would stop it.
    pub stop_probability: f32,
    /// Speech began when windows this long in a row say so. 64 ms: two windows of Silero; a click
    /// fills one.
    pub start_after: Duration,
    /// Speech stopped when windows this long in a row say so. 96 ms: three windows; stops inside
    /// words are shorter.
    pub stop_after: Duration,
    /// Speech is at least this loud, dBFS. -55: the quietest callers are about -45, a codec's idle
    /// noise is below -60.
    pub quietest_dbfs: f32,
    /// Speech begins this much louder than the line's noise, dB. 5: less, and the noise itself starts.
    pub above_noise_db: f32,
    /// The line's noise is never taken to be louder than this, dBFS. -38: or a loud line would
    /// silence its caller.
    pub loudest_noise_dbfs: f32,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            start_probability: 0.5,
            stop_probability: 0.35,
            start_after: Duration::from_millis(64),
            stop_after: Duration::from_millis(96),
            quietest_dbfs: -55.0,
            above_noise_db: 5.0,
            loudest_noise_dbfs: -38.0,
        }
    }
}

/// A change that the detector noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechEdge {
    /// The first window of what may be speech.
    Rising,
    /// Speech began at `at`, some windows ago.
    Started { at: Instant },
    /// Speech ended at `at`, some windows ago.
    Stopped { at: Instant },
}

/// Finds the beginning and the end of speech, and remembers what supports that it was speech.
#[derive(Clone, Debug)]
pub struct SpeechDetector {
    config: DetectorConfig,
    state: State,
    noise_dbfs: f32,
    voiced: Voiced,
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody speaks; windows in a row that say otherwise are collected.
    Silent { rising: Option<(Instant, Voiced)> },
    /// Somebody speaks; windows in a row without voice are collected.
    Speaking { falling: Option<(Instant, Duration)> },
}

/// Sums over voiced windows, weighted by their length.
#[derive(Clone, Copy, Debug, Default)]
struct Voiced {
    length: Duration,
    probability: f32,
    level: f32,
}

/// How fast the noise estimate follows, per window: down at once, up over about a second.
const NOISE_FALLS: f32 = 0.5;
const NOISE_RISES: f32 = 0.05;
const QUIETEST_NOISE_DBFS: f32 = -70.0;

impl SpeechDetector {
    /// A detector for one call.
    pub fn new(config: DetectorConfig) -> Self {
        Self {
            config,
            state: State::Silent { rising: None },
            noise_dbfs: QUIETEST_NOISE_DBFS,
            voiced: Voiced::default(),
        }
    }

    /// Takes the verdict on the window of sound that ended at `window_end` and lasted `window`:
    /// the probability of speech, 0..=1, and its loudness, dBFS.
    pub fn push(
        &mut self,
        probability: f32,
        level_dbfs: f32,
        window_end: Instant,
        window: Duration,
    ) -> Option<SpeechEdge> {
        let began = window_end.checked_sub(window).unwrap_or(window_end);
        let heard = Voiced::of(probability, level_dbfs, window);
        match &mut self.state {
            State::Silent { rising } => {
                if !self.config.starts(probability, level_dbfs, self.noise_dbfs) {
                    *rising = None;
                    if probability < self.config.stop_probability {
                        self.follow_noise(level_dbfs);
                    }
                    return None;
                }
                let is_first = rising.is_none();
                let (at, mut sum) = rising.unwrap_or((began, Voiced::default()));
                sum.add(heard);
                *rising = Some((at, sum));
                if sum.length < self.config.start_after {
                    return is_first.then_some(SpeechEdge::Rising);
                }
                self.voiced.add(sum);
                self.state = State::Speaking { falling: None };
                Some(SpeechEdge::Started { at })
            }
            State::Speaking { falling } => {
                if self.config.goes_on(probability, level_dbfs) {
                    *falling = None;
                    self.voiced.add(heard);
                    return None;
                }
                let (at, length) = falling.unwrap_or((began, Duration::ZERO));
                *falling = Some((at, length + window));
                if length + window < self.config.stop_after {
                    return None;
                }
                self.state = State::Silent { rising: None };
                Some(SpeechEdge::Stopped { at })
            }
        }
    }

    /// Whether somebody speaks.
    pub fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    /// What voice activity says of the speech since the evidence was reset. The recognizer's part of
    /// it has neutral values.
    pub fn evidence(&self) -> Evidence {
        let length = self.voiced.length.as_secs_f32();
        if length == 0.0 {
            return Evidence::default();
        }
        Evidence {
            voiced: self.voiced.length,
            level_dbfs: self.voiced.level / length,
            vad_mean: self.voiced.probability / length,
            ..Evidence::default()
        }
    }

    /// Forgets the evidence, for the next turn. Speech that goes on is counted from here.
    pub fn reset_evidence(&mut self) {
        self.voiced = Voiced::default();
    }

    fn follow_noise(&mut self, level_dbfs: f32) {
        let level = level_dbfs.clamp(QUIETEST_NOISE_DBFS, self.config.loudest_noise_dbfs);
        let rate = if level < self.noise_dbfs { NOISE_FALLS } else { NOISE_RISES };
        self.noise_dbfs += (level - self.noise_dbfs) * rate;
    }
}

impl DetectorConfig {
    fn starts(&self, probability: f32, level_dbfs: f32, noise_dbfs: f32) -> bool {
        let quietest = self.quietest_dbfs.max(noise_dbfs + self.above_noise_db);
        probability >= self.start_probability && level_dbfs >= quietest
    }

    fn goes_on(&self, probability: f32, level_dbfs: f32) -> bool {
        probability >= self.stop_probability && level_dbfs >= self.quietest_dbfs
    }
}

impl Voiced {
    fn of(probability: f32, level_dbfs: f32, window: Duration) -> Self {
        let length = window.as_secs_f32();
        Self { length: window, probability: probability * length, level: level_dbfs * length }
    }

    fn add(&mut self, other: Self) {
        self.length += other.length;
        self.probability += other.probability;
        self.level += other.level;
    }
}
