//! Calls are let in by the real admission.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use trunkline_inference::admission::Admission;

use super::world::GOOD;

/// What admission is told of the device's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// All that steps take, as the device tells it.
    AllTime,
    /// What steps take beyond what an all but empty one takes: the rest would serve more as well.
    Growth,
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

    pub(super) fn works(&mut self, all: f64, growth: f64) {
        self.worked += match self.counts {
            Counts::AllTime => all,
            Counts::Growth => growth,
        };
    }

    pub(super) fn second(&mut self, now: f64) {
        self.admission.device_worked(self.at(now), Duration::from_secs_f64(self.worked));
    }

    pub(super) fn answered(&mut self, now: f64, latency: f64) {
        self.admission.turn_took(self.at(now), Duration::from_secs_f64(latency));
    }
}
