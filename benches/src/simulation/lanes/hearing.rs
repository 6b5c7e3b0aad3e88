//! The recognizer's lane: whole turns, several windows at a time.

use trunkline_inference::schedule::Step;

use super::Demand;
use crate::simulation::machine::{Machine, Took};

/// A turn that waits for its words.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    turn: usize,
    speech: f64,
    due: f64,
}

/// The lane.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Hearing {
    waiting: Vec<Waiting>,
    at_work: Vec<usize>,
}

impl Hearing {
    pub(in crate::simulation) fn came(&mut self, turn: usize, speech: f64, due: f64) {
        self.waiting.push(Waiting { turn, speech, due });
    }

    fn next<'a>(&'a self, machine: &Machine) -> &'a [Waiting] {
        &self.waiting[..self.waiting.len().min(machine.most_windows())]
    }

    pub(in crate::simulation) fn demand(&self, machine: &Machine) -> Option<Demand> {
        let batch = self.next(machine);
        let amount = windows(batch, machine);
        let claims: Vec<_> = batch.iter().map(|w| (w.due, amount)).collect();
        (!claims.is_empty())
            .then_some(Demand { step: Step { kind: 0, amount, pace: machine.pace(0.2) }, claims })
    }

    /// Begins the next step; what it takes.
    pub(in crate::simulation) fn begin(&mut self, machine: &Machine) -> Took {
        let batch = self.next(machine);
        let longest = batch.iter().map(|w| w.speech).fold(0.0, f64::max);
        let (took, count) = (machine.hear(windows(batch, machine), longest), batch.len());
        self.at_work = self.waiting.drain(..count).map(|w| w.turn).collect();
        took
    }

    /// Ends it: the turns whose words are there.
    pub(in crate::simulation) fn end(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.at_work)
    }
}

fn windows(batch: &[Waiting], machine: &Machine) -> f64 {
    batch.iter().map(|w| machine.window(w.speech)).sum()
}
