//! The latest turns.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Turns older than this say nothing of now.
const LATELY: Duration = Duration::from_secs(30);
/// More turns than this are not kept.
const MOST: usize = 512;
/// Fewer than this have no 95th percentile worth the name.
const FEWEST: usize = 5;

/// How long a caller waited, of it for the work of models as if their device had had nothing else to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) silence: Duration,
    pub(super) alone: Duration,
}

/// How long turns took lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// Oldest first. When full the oldest is forgotten.
    turns: VecDeque<(Instant, Turn)>,
}

impl Latencies {
    pub(super) fn push(&mut self, now: Instant, turn: Turn) {
        if self.turns.len() == MOST {
            self.turns.pop_front();
        }
        self.turns.push_back((now, turn));
    }

    /// The 95th percentile by nearest rank, of turns whose work takes `stretch` times what it takes alone; `None` of too
    /// few turns.
    pub(super) fn p95(&self, now: Instant, stretch: f64) -> Option<Duration> {
        let is_late = |(at, _): &&(Instant, Turn)| now.saturating_duration_since(*at) <= LATELY;
        let took = |(_, turn): &(Instant, Turn)| turn.silence + turn.alone.mul_f64(stretch);
        let mut lately: Vec<_> = self.turns.iter().filter(is_late).map(took).collect();
        if lately.len() < FEWEST {
            return None;
        }
        let rank = (lately.len() * 95).div_ceil(100) - 1;
        let (_, p95, _) = lately.select_nth_unstable(rank);
        Some(*p95)
    }
}
