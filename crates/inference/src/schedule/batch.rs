//! How much batch work may go before live work, and how large its steps may be.

use std::time::{Duration, Instant};

use super::{Class, LaneId, Schedule, rank::micros};

/// The share of a busy device that batch work is given whatever the load.
const SHARE: f64 = 0.05;
/// So many of its steps must be owed to batch work before one goes first although a live claim
/// cannot wait for it.
const OWED_STEPS: u32 = 4;
/// How long batch requests go by share before they go by how long they wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A batch step may take this part of the tightest slack that live claims lately came with.
const PART_OF_SLACK: f64 = 0.5;
/// How fast a tight slack is forgotten, a live request: the last hundred count.
const FORGETTING: f64 = 0.01;
/// The tightest slack before any live claim came, and the most: seconds.
const LOOSEST: f64 = 0.2;

/// What batch work is owed, and how tight live work is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credit {
    /// Time on the device that batch work would have had by its share.
    owed: Duration,
    /// The tightest slack that live claims lately came with, seconds.
    tightest: f64,
}

impl Default for Credit {
    fn default() -> Self {
        Self { owed: Duration::ZERO, tightest: LOOSEST }
    }
}

impl Credit {
    /// Notes the slack of a live claim that came, microseconds.
    pub(super) fn live_asked(&mut self, slack: i64) {
        let slack = Duration::from_micros(u64::try_from(slack).unwrap_or(0)).as_secs_f64();
        let relaxed = self.tightest + FORGETTING * (LOOSEST - self.tightest);
        self.tightest = relaxed.min(slack.max(0.001));
    }

    /// Notes that a step was done while batch work was or was not waiting.
    pub(super) fn stepped(&mut self, class: Class, took: Duration, is_batch_waiting: bool) {
        match class {
            Class::Batch => self.owed = self.owed.saturating_sub(took),
            Class::Live { .. } if is_batch_waiting => self.owed += took.mul_f64(SHARE),
            Class::Live { .. } => {}
        }
    }

    /// How long a batch step may take so that a live claim that comes meanwhile has the slack.
    pub(super) fn longest_step(&self) -> Duration {
        Duration::from_secs_f64(self.tightest * PART_OF_SLACK)
    }
}

impl Schedule {
    /// Whether the batch step may go before live requests that wait.
    pub(super) fn goes_before_live(&self, now: Instant, batch: LaneId) -> bool {
        let Some(asked) = self.lanes[batch.0].asked else { return false };
        let cost = self.cost(batch, asked.request.step);
        let owed = self.credit.owed;
        owed >= cost * OWED_STEPS || (owed >= cost && self.live_can_wait(now, cost))
    }

    /// Whether every live request that could be met in due order could be met `cost` later as well.
    fn live_can_wait(&self, now: Instant, cost: Duration) -> bool {
        let cost = micros(now, now + cost);
        let mut live: Vec<(i64, i64)> = self
            .waiting()
            .filter_map(|lane| {
                let request = self.lanes[lane.0].asked?.request;
                let work = micros(now, now + self.work_left(lane, &request));
                Some((micros(now, request.claim.due()?), work))
            })
            .collect();
        live.sort_unstable();
        let width = i64::try_from(self.width).unwrap_or(i64::MAX);
        let mut before = 0;
        live.into_iter().all(|(due, work)| {
            let done = before / width + work;
            before += work;
            done > due || done + cost <= due
        })
    }
}
