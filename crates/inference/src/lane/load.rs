//! How busy a lane is, for whoever watches.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// The batch sizes up to which steps are counted together; larger ones come last.
pub const BATCHES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// How busy a lane is. Counters are read one by one, so a reader may see a step half counted.
#[derive(Debug)]
pub struct Load {
    lane: &'static str,
    active: AtomicUsize,
    jobs: AtomicU64,
    steps: [AtomicU64; BATCHES.len() + 1],
    late: AtomicU64,
    /// Microseconds.
    worked: AtomicU64,
}

impl Load {
    /// Of a lane that has done nothing yet.
    pub fn of(lane: &'static str) -> Self {
        Self {
            lane,
            active: AtomicUsize::new(0),
            jobs: AtomicU64::new(0),
            steps: Default::default(),
            late: AtomicU64::new(0),
            worked: AtomicU64::new(0),
        }
    }

    /// The lane's name.
    pub fn lane(&self) -> &'static str {
        self.lane
    }

    /// Jobs in slots.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// The sum of all steps' batch sizes.
    pub fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// How many steps had a batch of each size of [`BATCHES`] or less (but more than the size
    /// before); the last are the larger ones.
    pub fn steps(&self) -> [u64; BATCHES.len() + 1] {
        std::array::from_fn(|i| self.steps[i].load(Ordering::Relaxed))
    }

    /// Notes that the model was run once for this many jobs together.
    pub fn stepped(&self, jobs: usize) {
        let size = BATCHES.partition_point(|&size| size < jobs);
        self.steps[size].fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    /// Steps that met what was waited for after it was due.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// How long the engine was at work, all its steps together.
    pub fn worked(&self) -> Duration {
        Duration::from_micros(self.worked.load(Ordering::Relaxed))
    }

    pub(super) fn has_worked(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.worked.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn was_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_at_work_on(&self, jobs: usize) {
        self.active.store(jobs, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_at_work_adds_up() {
        let load = Load::of("llm");
        load.has_worked(Duration::from_micros(1_500));
        load.has_worked(Duration::from_micros(500));
        assert_eq!(load.worked(), Duration::from_millis(2));
    }

    #[test]
    fn steps_are_counted_by_the_size_of_their_batch() {
        let load = Load::of("llm");
        for jobs in [1, 1, 2, 3, 4, 256, 257, 9_999] {
            load.stepped(jobs);
        }
        assert_eq!(load.steps(), [2, 1, 2, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(load.jobs(), 1 + 1 + 2 + 3 + 4 + 256 + 257 + 9_999);
    }
}
