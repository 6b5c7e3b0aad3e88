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

/// How long turns took lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// Oldest first. When full the oldest is forgotten.
    turns: VecDeque<(Instant, Duration)>,
}

impl Latencies {
    pub(super) fn push(&mut self, now: Instant, latency: Duration) {
        if self.turns.len() == MOST {
            self.turns.pop_front();
        }
        self.turns.push_back((now, latency));
    }

    /// The 95th percentile by nearest rank; `None` of too few turns.
    pub(super) fn p95(&self, now: Instant) -> Option<Duration> {
        let is_late = |(at, _): &&(Instant, Duration)| now.saturating_duration_since(*at) <= LATELY;
        let mut lately: Vec<_> = self.turns.iter().filter(is_late).map(|(_, took)| *took).collect();
        if lately.len() < FEWEST {
            return None;
        }
        let rank = (lately.len() * 95).div_ceil(100) - 1;
        let (_, p95, _) = lately.select_nth_unstable(rank);
        Some(*p95)
    }
}
