//! The jobs that wait for a slot.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    Party,
    schedule::{Line, Shares, Waiting},
};

/// One slot in so many is kept for callers, while there are any.
const KEPT_PART: usize = 4;
/// So long after a caller's job came there are callers.
const CALLED_LATELY: Duration = Duration::from_mins(1);

/// Jobs in the order in which they came, taken in the order of [`Line`].
pub(super) struct Waitlist<J> {
    jobs: VecDeque<(J, Waiting)>,
    order: Line,
    /// How many slots are kept for callers.
    kept: usize,
    /// When a caller's job came last.
    called: Option<Instant>,
}

impl<J> Waitlist<J> {
    /// For so many slots.
    pub(super) fn new(slots: usize) -> Self {
        let (jobs, order) = (VecDeque::new(), Line::default());
        Self { jobs, order, kept: slots / KEPT_PART, called: None }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn join(&mut self, job: J, party: Party, since: Instant) {
        if party.is_caller() {
            self.called = Some(since);
        }
        self.jobs.push_back((job, party.waiting(since)));
    }

    /// Drops the jobs that gave up.
    pub(super) fn leave(&mut self, mut is_gone: impl FnMut(&J) -> bool) {
        self.jobs.retain(|(job, _)| !is_gone(job));
    }

    /// The job that takes the next of `free` slots; none when the free ones are kept for callers.
    pub(super) fn next(&mut self, now: Instant, free: usize, shares: &Shares) -> Option<J> {
        let has_callers =
            self.called.is_some_and(|at| now.saturating_duration_since(at) < CALLED_LATELY);
        let is_for_all = !has_callers || free > self.kept;
        let may_go =
            |(_, (_, waiting)): &(usize, &(J, Waiting))| is_for_all || waiting.claim.is_call;
        let eligible: Vec<(usize, Waiting)> =
            self.jobs.iter().enumerate().filter(may_go).map(|(at, (_, w))| (at, *w)).collect();
        let picked = self.order.pick(now, eligible.iter().map(|(_, waiting)| waiting), shares)?;
        let (at, _) = eligible.get(picked)?;
        self.jobs.remove(*at).map(|(job, _)| job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Tenant, Use};

    fn next(list: &mut Waitlist<u32>, now: Instant, free: usize) -> Option<u32> {
        list.next(now, free, &Shares::default())
    }

    #[test]
    fn a_caller_goes_before_programs_that_came_sooner() {
        let (mut list, now) = (Waitlist::new(1), Instant::now());
        list.join(1, Party::program(Tenant(1)), now);
        list.join(2, Party::nobody(Tenant(1)), now);
        list.join(3, Party::caller(Tenant(0)), now);
        let order: Vec<_> = std::iter::from_fn(|| next(&mut list, now, 1)).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn the_last_slots_are_kept_for_callers_while_there_are_any() {
        let (mut list, now) = (Waitlist::new(8), Instant::now());
        for job in 0..8 {
            list.join(job, Party::program(Tenant(1)), now);
        }
        assert_eq!(next(&mut list, now, 2), Some(0), "nobody calls");
        list.join(100, Party::caller(Tenant(0)), now);
        assert_eq!(next(&mut list, now, 2), Some(100));
        assert_eq!(next(&mut list, now, 2), None);
        assert_eq!(next(&mut list, now, 3), Some(1));
        let later = now + CALLED_LATELY;
        assert_eq!(next(&mut list, later, 1), Some(2), "nobody has called for long");
    }

    #[test]
    fn a_tenant_with_little_to_do_does_not_wait_behind_a_flood() {
        let (mut list, now, mut shares) = (Waitlist::new(1), Instant::now(), Shares::default());
        let (flood, modest) = (Tenant(1), Tenant(2));
        shares.arrived(flood);
        shares.arrived(modest);
        let used = Use { audio_seconds: 0.0, tokens: 1_000.0 };
        shares.charge(flood, std::num::NonZeroU32::MIN, used);
        (0..5).for_each(|job| list.join(job, Party::program(flood), now));
        list.join(9, Party::program(modest), now);
        assert_eq!(list.next(now, 1, &shares), Some(9));
        assert_eq!(list.next(now, 1, &shares), Some(0));
    }

    #[test]
    fn jobs_that_gave_up_are_not_taken() {
        let (mut list, now) = (Waitlist::new(1), Instant::now());
        (0..4).for_each(|job| list.join(job, Party::caller(Tenant(0)), now));
        list.leave(|job| job % 2 == 0);
        assert_eq!((list.len(), next(&mut list, now, 1)), (2, Some(1)));
    }
}
