//! One part of a clause on its way from the model to 24 kHz samples.

use std::time::Duration;

use trunkline_audio::{MediaTime, Resampler};

use super::{Begun, SPOKEN_HZ, finish::Finish, parts::pause_after, timing::word_ends};

/// A part that is being said.
pub(super) struct PartVoice<P> {
    text: String,
    begun: Begun<P>,
    rate_hz: u32,
    finish: Finish,
    resampler: Resampler,
    /// Samples that the resampler lags behind, not yet left out.
    lag: usize,
    samples: Vec<i16>,
    /// Samples made before those in `samples`.
    taken: usize,
}

/// What is known beforehand about how a part leaves.
pub(super) struct Outlet {
    /// From the model's rate to the one that is spoken at; as made, or finished.
    pub(super) resampler: Resampler,
    /// How loud the voice is, if it has been heard before.
    pub(super) loudness: Option<f32>,
}

/// The end of a part.
pub(super) struct Spoken {
    /// The last samples, pause included.
    pub(super) samples: Vec<i16>,
    /// All its words, and when each ends within the part.
    pub(super) words: Vec<(String, Duration)>,
}

impl<P> PartVoice<P> {
    /// The part `text` that a model has begun to say at `rate_hz`.
    pub(super) fn new(text: String, begun: Begun<P>, rate_hz: u32, outlet: Outlet) -> Self {
        let Outlet { resampler, loudness } = outlet;
        let lag = resampler.delay_samples();
        let finish = Finish::new(rate_hz, loudness);
        Self { text, begun, rate_hz, finish, resampler, lag, samples: Vec::new(), taken: 0 }
    }

    /// What the model remembers of it.
    pub(super) fn begun(&self) -> &P {
        &self.begun.part
    }

    /// What the model remembers of it, to say on.
    pub(super) fn begun_mut(&mut self) -> &mut P {
        &mut self.begun.part
    }

    /// Takes the next stretch of the model's sound.
    pub(super) fn push(&mut self, sound: &[f32]) {
        let mut finished = Vec::with_capacity(sound.len());
        self.finish.push(sound, &mut finished);
        self.resampler.process(&whole(&finished), &mut self.samples);
        self.leave_out_lag();
    }

    /// What can be heard so far and was not taken before.
    pub(super) fn take_samples(&mut self) -> Vec<i16> {
        self.taken += self.samples.len();
        std::mem::take(&mut self.samples)
    }

    /// The rest, and how loud the voice was.
    pub(super) fn end(mut self) -> (Spoken, Option<f32>) {
        let mut finished = Vec::new();
        let finish = std::mem::replace(&mut self.finish, Finish::new(self.rate_hz, None));
        let loudness = finish.end(&mut finished);
        self.resampler.process(&whole(&finished), &mut self.samples);
        self.resampler.finish(&mut self.samples);
        self.leave_out_lag();
        let made = (self.taken + self.samples.len()) as u64;
        let sounding = MediaTime::from_samples(made, SPOKEN_HZ).to_duration();
        let words: Vec<&str> = self.text.split(' ').collect();
        let ends = word_ends(&words, &self.begun.weights);
        let timed = words.iter().zip(ends);
        let words = timed.map(|(word, end)| ((*word).to_owned(), sounding.mul_f32(end))).collect();
        let pause = MediaTime::from_ms(pause_after(&self.text).as_millis() as u64);
        let with_pause = self.samples.len() + pause.to_samples(SPOKEN_HZ) as usize;
        self.samples.resize(with_pause, 0);
        (Spoken { samples: self.samples, words }, loudness)
    }

    fn leave_out_lag(&mut self) {
        let out = self.lag.min(self.samples.len());
        self.samples.drain(..out);
        self.lag -= out;
    }
}

fn whole(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|s| (s * 32767.0) as i16).collect()
}
