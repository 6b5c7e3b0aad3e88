//! Makes frames of 16 kHz from sound of any rate, and refuses too much of it.

use std::time::Duration;

use trunkline_audio::{Frame, MediaTime, Resampler};

use super::{HEARD_HZ, unreadable};
use crate::refusal::Refusal;

/// Samples of 20 ms.
const FRAME: usize = 320;
/// Less sound than this is none: 100 ms, as OpenAI has it.
const LEAST: Duration = Duration::from_millis(100);
/// The rates that sound may have.
const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=384_000;
/// A file may hold this much sound whatever its size, and beyond it a second for each
/// [`BYTES_A_SECOND`]: the thinnest codecs need 60 bytes for a second of silence.
const FREE: Duration = Duration::from_mins(10);
const BYTES_A_SECOND: u64 = 32;

/// Collects sound and gives out frames.
pub(super) struct Framer {
    resampler: Option<(Resampler, u32)>,
    /// Converted samples that are no frame yet.
    waiting: Vec<i16>,
    /// Samples of the resampler's delay that are still to be left out.
    to_skip: usize,
    given: u64,
    /// The longest sound, in samples, and why.
    longest: (u64, &'static str),
}

impl Framer {
    /// For a file of `bytes`, of whose sound no more than `longest` is taken.
    pub(super) fn new(bytes: usize, longest: Duration) -> Self {
        let dense = FREE + Duration::from_secs(bytes as u64 / BYTES_A_SECOND);
        let longest = if dense < longest {
            (dense, "it holds far more sound than a file of its size may")
        } else {
            (longest, "it is longer than this server takes: cut it")
        };
        let samples = longest.0.as_secs().saturating_mul(u64::from(HEARD_HZ));
        let longest = (samples, longest.1);
        Self { resampler: None, waiting: Vec::new(), to_skip: 0, given: 0, longest }
    }

    /// Takes mono sound at `hz`.
    pub(super) fn push(&mut self, mono: &[i16], hz: u32) -> Result<(), Refusal> {
        if !RATES_HZ.contains(&hz) {
            return Err(unreadable(format!("its rate is {hz} Hz")));
        }
        if self.resampler.as_ref().is_none_or(|(_, from)| *from != hz) {
            self.end_of_rate();
            let resampler = Resampler::new(hz, HEARD_HZ);
            self.to_skip = resampler.delay_samples();
            self.resampler = Some((resampler, hz));
        }
        if let Some((resampler, _)) = &mut self.resampler {
            resampler.process(mono, &mut self.waiting);
        }
        self.skip();
        self.check(self.given + self.waiting.len() as u64)
    }

    /// Refuses a file that says itself that it is too long, before hours of it were heard.
    pub(super) fn expect(&self, length: Duration) -> Result<(), Refusal> {
        self.check(length.as_secs().saturating_mul(HEARD_HZ.into()))
    }

    fn check(&self, samples: u64) -> Result<(), Refusal> {
        if samples > self.longest.0 {
            let message = format!("the file is too long: {}", self.longest.1);
            return Err(Refusal::bad_param("file", message));
        }
        Ok(())
    }

    /// No more sound comes.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        self.end_of_rate();
        let samples = self.given + self.waiting.len() as u64;
        if samples == 0 {
            return Err(unreadable("it holds no sound"));
        }
        if MediaTime::from_samples(samples, HEARD_HZ).to_duration() < LEAST {
            let message = "the file is too short: it needs 0.1 seconds of sound";
            return Err(Refusal::bad_param("file", message));
        }
        Ok(())
    }

    /// The next 20 ms; fewer where `rest` says that the rest is wanted too.
    pub(super) fn next_frame(&mut self, rest: bool) -> Option<Frame> {
        let length = if rest { FRAME.min(self.waiting.len()) } else { FRAME };
        if length == 0 || self.waiting.len() < length {
            return None;
        }
        let samples: Vec<i16> = self.waiting.drain(..length).collect();
        let at = MediaTime::from_samples(self.given, HEARD_HZ);
        self.given += length as u64;
        Some(Frame::new(samples, HEARD_HZ, at))
    }

    fn end_of_rate(&mut self) {
        if let Some((mut resampler, _)) = self.resampler.take() {
            resampler.finish(&mut self.waiting);
            self.skip();
        }
    }

    /// Leaves out what the resampler said before its first input came through.
    fn skip(&mut self) {
        let skipped = self.to_skip.min(self.waiting.len());
        self.waiting.drain(..skipped);
        self.to_skip -= skipped;
    }
}
