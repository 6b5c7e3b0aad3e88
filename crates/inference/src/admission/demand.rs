//! How busy a device is, and what a call takes of its time.

use std::time::{Duration, Instant};

/// The latest seconds are about so many.
const MEMORY: Duration = Duration::from_secs(5);
/// What a call takes is known after so many observations.
const KNOWN_AFTER: u32 = 5;
/// What a call takes is averaged over so many observations.
const SAMPLES: u32 = 60;
/// How much of the trust in what was expected each observation leaves.
const FADING: f64 = 0.9;

/// The part of its time that a device is at work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Busy {
    last: Option<(Instant, Duration)>,
    part: f64,
}

impl Busy {
    /// That part in the latest seconds.
    pub(super) fn part(&self) -> f64 {
        self.part
    }

    /// The part since it was observed last, when it had been at work for `total`.
    pub(super) fn observe(&mut self, now: Instant, total: Duration) -> Option<f64> {
        let (then, before) = self.last.replace((now, total))?;
        let passed = now.saturating_duration_since(then).as_secs_f64();
        if passed <= 0.0 {
            return None;
        }
        let part = (total.saturating_sub(before).as_secs_f64() / passed).min(1.0);
        let weight = 1.0 - (-passed / MEMORY.as_secs_f64()).exp();
        self.part += (part - self.part) * weight;
        Some(part)
    }
}

/// The part of a device's time that a call takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    expected: f64,
    /// So many observations the expectation counts for.
    trust: f64,
    samples: u32,
    /// Lately, on average: how busy the device was, and with how many calls.
    busy: f64,
    calls: f64,
}

impl Demand {
    /// Until calls tell.
    pub(super) fn expected(part: f64) -> Self {
        Self { expected: part, trust: f64::from(KNOWN_AFTER), ..Self::default() }
    }

    /// So busy was the device with so many calls. Sums are learned rather than ratios: most is known of a call when
    /// there are many.
    pub(super) fn learn(&mut self, busy: f64, calls: u32) {
        if calls == 0 {
            return;
        }
        self.samples = (self.samples + 1).min(SAMPLES);
        self.trust *= FADING;
        let weight = 1.0 / f64::from(self.samples);
        self.busy += (busy - self.busy) * weight;
        self.calls += (f64::from(calls) - self.calls) * weight;
    }

    /// Whether calls have told.
    pub(super) fn is_known(&self) -> bool {
        self.samples >= KNOWN_AFTER
    }

    /// On average.
    pub(super) fn of_a_call(&self) -> f64 {
        if self.samples == 0 {
            return self.expected;
        }
        let (samples, measured) = (f64::from(self.samples), self.busy / self.calls);
        (self.trust * self.expected + samples * measured) / (self.trust + samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_counts_until_it_is_measured() {
        let mut demand = Demand::expected(0.2);
        let is_as_expected = |demand: &Demand| (demand.of_a_call() - 0.2).abs() < 1e-9;
        assert!(!demand.is_known() && is_as_expected(&demand));
        demand.learn(0.5, 0);
        assert!(is_as_expected(&demand), "nobody had settled");
        demand.learn(0.4, 4);
        assert!(demand.of_a_call() > 0.15, "{demand:?}");
        (0..40).for_each(|_| demand.learn(0.4, 4));
        assert!((demand.of_a_call() - 0.1).abs() < 0.001, "{demand:?}");
    }

    #[test]
    fn bursts_even_out() {
        let mut demand = Demand::default();
        (0..60).for_each(|second| demand.learn(f64::from(second % 2), 10));
        assert!((demand.of_a_call() - 0.05).abs() < 0.002, "{demand:?}");
    }
}
