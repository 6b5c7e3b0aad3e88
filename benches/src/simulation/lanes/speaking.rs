//! The voice's lane: clauses of several replies at a time, one of each.

use std::collections::VecDeque;

use trunkline_inference::schedule::Step;

use super::Demand;
use crate::simulation::machine::{Machine, Took};

/// A reply that is spoken.
#[derive(Clone, Debug)]
struct Speaker {
    turn: usize,
    /// When the next sound is due.
    due: f64,
    /// Seconds of sound of the clauses that wait.
    clauses: VecDeque<f64>,
}

/// The lane.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Speaking {
    speakers: Vec<Speaker>,
    at_work: Vec<(usize, f64)>,
}

impl Speaking {
    /// A clause was written; `due` is when its sound is, if nothing else of the reply waits.
    pub(in crate::simulation) fn came(&mut self, turn: usize, sound: f64, due: f64) {
        if let Some(speaker) = self.speakers.iter_mut().find(|speaker| speaker.turn == turn) {
            speaker.clauses.push_back(sound);
            return;
        }
        self.speakers.push(Speaker { turn, due, clauses: VecDeque::from([sound]) });
    }

    /// What is due next, most urgent first: turn, due time, seconds of sound.
    fn next(&self, machine: &Machine) -> Vec<(usize, f64, f64)> {
        let is_free = |s: &&Speaker| self.at_work.iter().all(|(turn, _)| *turn != s.turn);
        let first = |s: &Speaker| Some((s.turn, s.due, *s.clauses.front()?));
        let mut batch: Vec<_> = self.speakers.iter().filter(is_free).filter_map(first).collect();
        batch.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        batch.truncate(machine.most_clauses());
        batch
    }

    pub(in crate::simulation) fn demand(&self, machine: &Machine) -> Option<Demand> {
        let batch = self.next(machine);
        let amount: f64 = batch.iter().map(|(_, _, sound)| sound).sum();
        let claims = batch.iter().map(|(_, due, _)| (*due, amount)).collect();
        (!batch.is_empty())
            .then_some(Demand { step: Step { kind: 0, amount, pace: machine.pace(0.25) }, claims })
    }

    /// Begins the next step; what it takes.
    pub(in crate::simulation) fn begin(&mut self, machine: &Machine) -> Took {
        let batch = self.next(machine);
        for speaker in &mut self.speakers {
            if batch.iter().any(|(turn, ..)| *turn == speaker.turn) {
                speaker.clauses.pop_front();
            }
        }
        self.at_work = batch.iter().map(|(turn, _, sound)| (*turn, *sound)).collect();
        machine.speak(batch.iter().map(|(_, _, sound)| sound).sum())
    }

    /// Ends it: the turns with more to hear, and seconds of it.
    pub(in crate::simulation) fn end(&mut self) -> Vec<(usize, f64)> {
        std::mem::take(&mut self.at_work)
    }

    /// The next sound of the turn is due then.
    pub(in crate::simulation) fn runs_dry(&mut self, turn: usize, due: f64) {
        if let Some(speaker) = self.speakers.iter_mut().find(|speaker| speaker.turn == turn) {
            speaker.due = due;
        }
        self.speakers.retain(|speaker| speaker.turn != turn || !speaker.clauses.is_empty());
    }
}
