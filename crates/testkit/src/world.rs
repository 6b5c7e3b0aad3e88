//! What a simulated caller says and when: the one truth that the caller's sound and the fake
//! recognizer are both made from.

use std::{sync::Arc, time::Duration};

use trunkline_audio::{Frame, MediaTime};

/// Rate of everything heard.
const HZ: u32 = 16_000;
/// Samples of 20 ms.
const FRAME: usize = 320;
/// Loud enough for every detector.
const LOUD: i16 = 8_000;

/// One stretch of sound from the caller.
#[derive(Clone, Debug)]
pub struct Speech {
    /// When it begins, from the start of the call.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What is said; empty for a noise that is no speech.
    pub words: String,
}

/// Everything that the caller says in a call. Cloning shares it.
#[derive(Clone, Debug)]
pub struct World {
    speeches: Arc<[Speech]>,
}

impl World {
    /// A caller who says `(at_ms, lasts_ms, words)`, in order.
    pub fn new(speeches: &[(u64, u64, &str)]) -> Self {
        let speech = |&(at, lasts, words): &(u64, u64, &str)| Speech {
            at: Duration::from_millis(at),
            lasts: Duration::from_millis(lasts),
            words: words.to_owned(),
        };
        Self { speeches: speeches.iter().map(speech).collect() }
    }

    /// The 20 ms of sound from `at`.
    pub fn frame(&self, at: MediaTime) -> Frame {
        let sound = self.speaks_at(at.to_duration());
        let wave = |i: usize| if i % 8 < 4 { LOUD } else { -LOUD };
        let samples: Vec<i16> = (0..FRAME).map(|i| if sound { wave(i) } else { 0 }).collect();
        Frame::new(samples, HZ, at)
    }

    /// The words that are said whole between `from` and `to`, spread evenly over their stretch.
    pub fn words(&self, from: MediaTime, to: MediaTime) -> String {
        let (from, to) = (from.to_duration(), to.to_duration());
        let mut said = Vec::new();
        for speech in self.speeches.iter() {
            let words: Vec<&str> = speech.words.split_whitespace().collect();
            for (n, word) in words.iter().enumerate() {
                let share = |n: usize| {
                    speech.lasts.mul_f64(n as f64 / words.len() as f64)
                };
                if speech.at + share(n) >= from && speech.at + share(n + 1) <= to {
                    said.push(*word);
                }
            }
        }
        said.join(" ")
    }

    fn speaks_at(&self, at: Duration) -> bool {
        self.speeches.iter().any(|s| s.at <= at && at < s.at + s.lasts)
    }
}
