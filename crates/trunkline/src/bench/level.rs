//! One number of callers, measured.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{Instant as Tick, MissedTickBehavior, interval_at},
};

use super::{
    caller::{Called, Desk},
    machine::Meters,
    tally::Figures,
};
use crate::admin::Admin;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(10);
/// Callers of one level draw from seeds this far from those of the next.
const SEEDS: u64 = 1 << 20;

pub(super) struct Level {
    pub(super) calls: usize,
    pub(super) seconds: u64,
    pub(super) ramp: f64,
    pub(super) seed: u64,
}

impl Level {
    /// Until all of them call.
    pub(super) fn ramp_up(&self) -> Duration {
        self.start_of(self.calls)
    }

    fn start_of(&self, caller: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "at most 2000 callers")]
        Duration::from_secs_f64(caller as f64 / self.ramp)
    }

    /// Has all callers call, and tallies what they met between the end of the ramp and the end.
    pub(super) async fn run(
        &self,
        desk: &Arc<Desk>,
        admin: &Admin,
        tell: &dyn Fn(&str),
    ) -> Figures {
        let start = Instant::now();
        let begin = start + self.ramp_up();
        let end = begin + Duration::from_secs(self.seconds);
        let before = Meters::read(admin).await;
        let mut callers = JoinSet::new();
        for nth in 0..self.calls {
            let seed = self.seed.wrapping_mul(SEEDS) + nth as u64;
            callers.spawn(Arc::clone(desk).caller(seed, start + self.start_of(nth), end));
        }
        let called = gather(callers, start, end, tell).await;
        let used = Meters::read(admin).await.since(&before);
        Figures::of(self.calls, &called, begin..end, &desk.clips, used)
    }
}

async fn gather(
    mut callers: JoinSet<Vec<Called>>,
    start: Instant,
    end: Instant,
    tell: &dyn Fn(&str),
) -> Vec<Called> {
    let mut ticks = interval_at(Tick::from_std(start + PROGRESS), PROGRESS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut called = Vec::new();
    loop {
        tokio::select! {
            done = callers.join_next() => match done {
                Some(Ok(calls)) => called.extend(calls),
                // A caller that panicked is a call that failed.
                Some(Err(error)) => called.push(Called::Failed(error.to_string())),
                None => return called,
            },
            _ = ticks.tick() => {
                let left = end.saturating_duration_since(Instant::now()).as_secs();
                let what = if left > 0 { format!("{left} s to go") } else { "the last calls end".to_owned() };
                tell(&format!("  {what}, {} callers at work", callers.len()));
            }
        }
    }
}
