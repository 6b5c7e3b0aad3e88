//! A transcript being written, token by token.

use rand::{Rng, RngExt};

use super::{
    ending::Ending,
    rules::{self, NEVER},
    vocabulary::{Special, Vocabulary},
};
use crate::kernel::vector;

/// A time token stands for 20 ms.
const SAMPLES_PER_TIME: usize = 320;
/// A time in the last 100 ms of the sound is its end.
const LAST_TIMES: usize = 5;

/// What was understood of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcribed {
    /// Texts and times as they came.
    pub pieces: Vec<Piece>,
    /// The probability that nobody spoke, 0..=1.
    pub no_speech: f32,
    /// ISO 639-1.
    pub language: &'static str,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Of text.
    Word(Word),
    /// Steps of 20 ms from the window's start: where a passage begins or ends.
    Time(usize),
}

/// A token of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word {
    /// Its number.
    pub token: u32,
    /// Its text, which may be a part of a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability at a temperature of 1.
    pub logprob: f32,
    /// Log-probability that it begins at each step of 20 ms; empty where nobody asked.
    pub begins: Vec<f32>,
}

/// How a transcript is written.
pub(crate) struct Manner {
    /// Samples of the window's sound.
    pub(crate) samples: usize,
    /// Tokens after which it ends.
    pub(crate) most: usize,
    /// Tokens of text beyond which a repetition is a loop.
    pub(crate) plausible: usize,
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// Whether each token's beginning is told.
    pub(crate) tells_begins: bool,
}

/// A transcript so far.
pub(crate) struct Writing {
    special: Special,
    manner: Manner,
    ending: Ending,
    said: Vec<u32>,
    logprobs: Vec<f32>,
    begins: Vec<Vec<f32>>,
    no_speech: f32,
}

impl Writing {
    pub(crate) fn new(special: Special, manner: Manner) -> Self {
        let ending = Ending::new(special.end, special.first_time, manner.samples, manner.plausible);
        let (said, logprobs, begins) = (Vec::new(), Vec::new(), Vec::new());
        Self { special, manner, ending, said, logprobs, begins, no_speech: 1.0 }
    }

    /// Writes a token; the one to read next, or none at the end.
    pub(crate) fn write(&mut self, logits: &mut [f32], chance: &mut impl Rng) -> Option<u32> {
        if self.said.is_empty() {
            let (_, sum) = vector::log_sum_exp(logits);
            self.no_speech = (logits[self.special.no_speech as usize] - sum).exp();
        }
        let begins = self.begins_of(logits);
        rules::apply(&self.special, &self.said, logits);
        let token = draw(logits, self.manner.temperature, chance);
        if token == self.special.end {
            return None;
        }
        let (_, sum) = vector::log_sum_exp(logits);
        self.logprobs.push(logits[token as usize] - sum);
        self.said.push(token);
        self.begins.push(begins);
        (!self.is_complete()).then_some(token)
    }

    fn begins_of(&self, logits: &[f32]) -> Vec<f32> {
        if !self.manner.tells_begins {
            return Vec::new();
        }
        let columns = self.manner.samples / SAMPLES_PER_TIME + 1;
        let times = &logits[self.special.first_time as usize..];
        let times = &times[..columns.min(times.len())];
        let (_, sum) = vector::log_sum_exp(times);
        times.iter().map(|time| time - sum).collect()
    }

    fn is_complete(&self) -> bool {
        let last = self.said.last().and_then(|token| token.checked_sub(self.special.first_time));
        let ends = last.is_some_and(|time| {
            time > 0 && (time as usize + LAST_TIMES) * SAMPLES_PER_TIME >= self.manner.samples
        });
        ends || self.said.len() > self.manner.most || self.ending.is_reached(&self.said)
    }

    /// What was written, without what only repeats it.
    pub(crate) fn finish(self, vocabulary: &Vocabulary, language: &'static str) -> Transcribed {
        let spelling =
            |&token: &u32| String::from_utf8_lossy(vocabulary.text(token)).trim().to_lowercase();
        let is_text = |token: &u32| self.ending.is_text(*token);
        let spellings: Vec<_> =
            self.said.iter().filter(|token| is_text(token)).map(spelling).collect();
        let kept = self.ending.keep(&spellings);
        let mut pieces = Vec::with_capacity(self.said.len());
        let mut texts = 0;
        for ((token, logprob), begins) in self.said.iter().zip(&self.logprobs).zip(self.begins) {
            // Where something was left out, the time after it is not that of what was kept.
            if texts == kept && (is_text(token) || kept < spellings.len()) {
                break;
            }
            if is_text(token) {
                let bytes = vocabulary.text(*token).to_vec();
                pieces.push(Piece::Word(Word { token: *token, bytes, logprob: *logprob, begins }));
                texts += 1;
            } else {
                pieces.push(Piece::Time((token - self.special.first_time) as usize));
            }
        }
        Transcribed { pieces, no_speech: self.no_speech, language }
    }
}

/// The most probable token, or one by chance.
fn draw(logits: &[f32], temperature: f32, chance: &mut impl Rng) -> u32 {
    let most = logits.iter().fold(NEVER, |a, &b| a.max(b));
    if temperature <= 0.0 {
        return logits.iter().position(|&logit| logit >= most).unwrap_or(0) as u32;
    }
    let weight = |logit: f32| ((logit - most) / temperature).exp();
    let sum: f32 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut left = chance.random::<f32>() * sum;
    let passes = |&logit: &f32| {
        left -= weight(logit);
        left < 0.0
    };
    let best = || logits.iter().position(|&logit| logit >= most);
    logits.iter().position(passes).or_else(best).unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const TOKENS: usize = 51_864;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new([" ", " yes", " no"].map(|text| text.as_bytes().to_vec()).to_vec(), TOKENS)
    }

    fn writing(seconds: usize) -> Writing {
        let manner = Manner {
            samples: seconds * 16_000,
            most: 20,
            plausible: 10,
            temperature: 0.0,
            tells_begins: true,
        };
        Writing::new(vocabulary().special, manner)
    }

    fn write(writing: &mut Writing, token: u32) -> Option<u32> {
        let mut logits = vec![0.0; TOKENS];
        logits[token as usize] = 60.0;
        writing.write(&mut logits, &mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn a_passage_is_written_to_the_end_of_the_sound() {
        let (special, mut writing) = (vocabulary().special, writing(2));
        for token in [special.first_time, 1, 2] {
            assert_eq!(write(&mut writing, token), Some(token));
        }
        assert_eq!(write(&mut writing, special.first_time + 97), None);
        let transcribed = writing.finish(&vocabulary(), "en");
        let [Piece::Time(0), Piece::Word(yes), Piece::Word(no), Piece::Time(97)] =
            &transcribed.pieces[..]
        else {
            panic!("{transcribed:?}")
        };
        assert_eq!((yes.bytes.as_slice(), no.token), (b" yes".as_slice(), 2));
        assert!(yes.logprob > -1e-3 && yes.begins.len() == 101);
    }

    #[test]
    fn the_end_token_ends_it() {
        let mut writing = writing(9);
        assert_eq!(write(&mut writing, 1), Some(1));
        assert_eq!(write(&mut writing, vocabulary().special.end), None);
        assert_eq!(writing.finish(&vocabulary(), "en").pieces.len(), 1);
    }

    #[test]
    fn a_loop_is_kept_once() {
        let mut writing = writing(9);
        while write(&mut writing, 1).is_some() {}
        assert_eq!(writing.finish(&vocabulary(), "en").pieces.len(), 1);
    }

    #[test]
    fn what_nobody_said_is_probably_no_speech() {
        let mut writing = writing(2);
        let special = vocabulary().special;
        write(&mut writing, special.no_speech);
        assert!(writing.no_speech > 0.99);
    }

    #[test]
    fn chance_follows_the_probabilities() {
        let mut chance = StdRng::seed_from_u64(7);
        let logits = [0.0, 2.0_f32.ln(), NEVER];
        let drawn = (0..3_000).filter(|_| draw(&logits, 1.0, &mut chance) == 1).count();
        assert!((1_900..2_100).contains(&drawn), "{drawn}");
        assert_eq!(draw(&logits, 0.0, &mut chance), 1);
    }
}
