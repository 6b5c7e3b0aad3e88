//! Which job of a lane takes the next free slot.

use std::time::{Duration, Instant};

use super::{Claim, Class, Shares};

/// Every so many picks one goes to a job that has waited past its patience, if there is one.
const PATIENT_PICK: u32 = 8;
/// How long a job waits before it may be picked for that alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A job that waits for a slot.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// For whom it is.
    pub claim: Claim,
    /// Since when it waits.
    pub since: Instant,
    /// How long it will be at work, as far as known.
    pub work: Duration,
}

/// The order in which a lane's jobs take slots.
///
/// By share first: a tenant ahead of others by more than the allowance waits for them. Then live
/// jobs that can still be in time, the first due first; live jobs that are late whatever is done;
/// batch jobs. So that neither of the latter starves, every eighth pick goes to the job that has
/// waited longest, past two seconds.
#[derive(Clone, Debug, Default)]
pub struct Line {
    picks: u32,
}

impl Line {
    /// The index of the job to take next; `None` when none waits. Counts the pick.
    pub fn pick<'a>(
        &mut self,
        now: Instant,
        jobs: impl Iterator<Item = &'a Waiting> + Clone,
        shares: &Shares,
    ) -> Option<usize> {
        self.picks = self.picks.wrapping_add(1);
        let patient = |job: &&Waiting| now.saturating_duration_since(job.since) >= PATIENCE;
        if self.picks.is_multiple_of(PATIENT_PICK) {
            let waited = jobs.clone().enumerate().filter(|(_, job)| patient(job));
            let longest = waited.min_by_key(|(_, job)| (shares.round(job.claim.tenant), job.since));
            if let Some((index, _)) = longest {
                return Some(index);
            }
        }
        jobs.enumerate().min_by_key(|(_, job)| rank(now, job, shares)).map(|(index, _)| index)
    }
}

fn rank(now: Instant, job: &Waiting, shares: &Shares) -> (u8, u32, Instant) {
    let round = shares.round(job.claim.tenant);
    match job.claim.class {
        Class::Live { due } if now + job.work <= due => (0, round, due),
        Class::Live { .. } => (1, round, job.since),
        Class::Batch => (2, round, job.since),
    }
}

#[cfg(test)]
mod tests;
