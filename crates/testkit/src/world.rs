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

    /// The words that are said whole between `from` and `to`.
    pub fn words(&self, from: MediaTime, to: MediaTime) -> String {
        let (from, to) = (from.to_duration(), to.to_duration());
        let words = self.speeches.iter().flat_map(Speech::words);
        let said = words.filter(|(_, began, ended)| *began >= from && *ended <= to);
        said.map(|(word, ..)| word).collect::<Vec<_>>().join(" ")
    }

    fn speaks_at(&self, at: Duration) -> bool {
        self.speeches.iter().any(|s| s.at <= at && at < s.at + s.lasts)
    }
}

impl Speech {
    /// Its words with when each begins and ends, spread evenly.
    fn words(&self) -> impl Iterator<Item = (&str, Duration, Duration)> {
        let count = self.words.split_whitespace().count();
        let each = self.lasts / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut at = self.at;
        self.words.split_whitespace().map(move |word| {
            let began = at;
            at += each;
            (word, began, at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_words_are_of_the_same_making() {
        let world = World::new(&[(100, 400, "one two"), (1000, 100, "")]);
        let ms = MediaTime::from_ms;
        let is_loud = |at| world.frame(ms(at)).samples().iter().any(|s| *s != 0);
        assert_eq!(
            [80, 100, 480, 500, 1080, 1100].map(is_loud),
            [false, true, true, false, true, false]
        );
        assert_eq!(world.words(ms(0), ms(5000)), "one two");
        assert_eq!(world.words(ms(100), ms(299)), "", "half a word is none");
        assert_eq!(world.words(ms(101), ms(500)), "two");
    }
}
