//! A frame: a short piece of mono sound with its rate and its place in the stream.

use std::{ops::Add, sync::Arc, time::Duration};

/// A piece of mono 16-bit sound, usually 20 ms. Cloning shares the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    samples: Arc<[i16]>,
    rate_hz: u32,
    at: MediaTime,
}

impl Frame {
    /// Takes `samples` at `rate_hz` whose first sample stands at `at` in its stream.
    pub fn new(samples: impl Into<Arc<[i16]>>, rate_hz: u32, at: MediaTime) -> Self {
        Self { samples: samples.into(), rate_hz, at }
    }

    /// The samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Samples per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Where the first sample stands in its stream.
    pub fn at(&self) -> MediaTime {
        self.at
    }

    /// Where the sample after the last one stands in its stream.
    pub fn end(&self) -> MediaTime {
        self.at + MediaTime::from_samples(self.samples.len() as u64, self.rate_hz)
    }

    /// How long the frame sounds.
    pub fn duration(&self) -> Duration {
        MediaTime::from_samples(self.samples.len() as u64, self.rate_hz).to_duration()
    }
}

/// Time by the sound itself: samples since the stream began, counted at 48 kHz so that every
/// telephone and model rate (8, 16, 24, 48 kHz) converts exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(u64);

impl MediaTime {
    const HZ: u64 = 48_000;

    /// The start of the stream.
    pub const ZERO: Self = Self(0);

    /// The time that `samples` take at `rate_hz`.
    pub const fn from_samples(samples: u64, rate_hz: u32) -> Self {
        Self(samples * Self::HZ / rate_hz as u64)
    }

    /// The time that `ms` milliseconds take.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * Self::HZ / 1000)
    }

    /// How many samples at `rate_hz` fit in this time.
    pub const fn to_samples(self, rate_hz: u32) -> u64 {
        self.0 * rate_hz as u64 / Self::HZ
    }

    /// Whole milliseconds.
    pub const fn to_ms(self) -> u64 {
        self.0 * 1000 / Self::HZ
    }

    /// The same span as a [`Duration`].
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0 * (1_000_000_000 / 16_000) / 3)
    }

    /// The span from `earlier` to this, or zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for MediaTime {
    type Output = Self;
    fn add(self, span: Self) -> Self {
        Self(self.0 + span.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_is_exact_at_every_rate_in_use() {
        for rate in [8_000, 16_000, 24_000, 48_000] {
            let time = MediaTime::from_samples(u64::from(rate) / 50, rate);
            assert_eq!(time, MediaTime::from_ms(20));
            assert_eq!(time.to_duration(), Duration::from_millis(20));
            assert_eq!(time.to_samples(rate), u64::from(rate) / 50);
        }
    }
}
