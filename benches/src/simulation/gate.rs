//! Calls are let in by the real admission.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use trunkline_inference::{admission::Admission, schedule::Stepped};

use super::world::GOOD;

/// What admission is told of the device's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// All that steps take.
    AllTime,
    /// What steps take as far as more calls would take more, as the device tells it.
    Charged,
}

/// The door.
#[derive(Debug)]
pub(super) struct Gate {
    admission: Admission,
    counts: Counts,
    /// The call of each turn.
    calls: Vec<usize>,
    /// Which calls were let in.
    verdicts: BTreeMap<usize, bool>,
    worked: f64,
    epoch: Instant,
}

impl Gate {
    pub(super) fn new(calls: Vec<usize>, counts: Counts) -> Self {
        let admission = Admission::new(Duration::from_secs_f64(GOOD));
        Self {
            admission,
            counts,
            calls,
            verdicts: BTreeMap::new(),
            worked: 0.0,
            epoch: Instant::now(),
        }
    }

    fn at(&self, now: f64) -> Instant {
        self.epoch + Duration::from_secs_f64(now)
    }

    /// Whether the call of the turn is let in, decided at its first turn.
    pub(super) fn lets_in(&mut self, now: f64, turn: usize) -> bool {
        let (now, call) = (self.at(now), self.calls[turn]);
        if let Some(verdict) = self.verdicts.get(&call) {
            return *verdict;
        }
        let verdict = self.admission.admit(now).is_ok();
        if verdict {
            self.admission.call_began(now, call as u128);
        }
        self.verdicts.insert(call, verdict);
        verdict
    }

    pub(super) fn stepped(&mut self, step: Stepped) {
        let counted = match self.counts {
            Counts::AllTime => step.took,
            Counts::Charged => step.charged,
        };
        self.worked += counted.as_secs_f64();
    }

    pub(super) fn second(&mut self, now: f64) {
        self.admission.device_worked(self.at(now), Duration::from_secs_f64(self.worked));
    }

    pub(super) fn answered(&mut self, now: f64, silence: f64, latency: f64) {
        let (silence, work) = (silence.min(latency), (latency - silence).max(0.0));
        let [silence, work] = [silence, work].map(Duration::from_secs_f64);
        self.admission.turn_took(self.at(now), silence, work);
    }
}
