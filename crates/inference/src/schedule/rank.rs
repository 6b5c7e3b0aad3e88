//! The order among live requests.

use std::time::{Duration, Instant};

use super::{LaneId, Schedule, Step};

/// How long a request that cannot be met in time yields to those that can.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// Slacks within this are equal; whose share it is decides.
const EQUAL_MICROS: i64 = 1_000;
/// A claim can wait for another lane's step if this much of its slack is left after it.
const MARGIN_MICROS: i64 = 20_000;
/// Wastes within this part of one another are equal; slack decides.
const EQUAL_WASTE: f64 = 0.05;

/// Smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Too late, and has waited past its patience: the longest waiting first.
    Aged(Instant, LaneId),
    /// Can still be met: the least slack first, then the tenant that was given least.
    Hopeful(i64, u32, LaneId),
    /// Too late: the least work left first, as that keeps the fewest waiting (Smith 1956).
    Late(Duration, Instant, LaneId),
}

impl Rank {
    fn lane(self) -> LaneId {
        match self {
            Self::Aged(_, lane) | Self::Hopeful(_, _, lane) | Self::Late(_, _, lane) => lane,
        }
    }
}

/// The live request that goes first of those that wait.
///
/// Least slack first alone would take whatever small step is at hand and never let a batch fill. So as
/// long as every claim can wait for a step, the step goes that makes the most of its time, and the others'
/// batches fill meanwhile.
pub(super) fn first(schedule: &Schedule, now: Instant) -> Option<LaneId> {
    let ranks: Vec<Rank> =
        schedule.waiting().filter_map(|lane| rank(schedule, now, lane)).collect();
    let first = *ranks.iter().min()?;
    if !matches!(first, Rank::Hopeful(..)) {
        return Some(first.lane());
    }
    let harmless = ranks.iter().filter(|rank| is_harmless(schedule, now, **rank, &ranks));
    let thriftiest = harmless.min_by_key(|rank| (waste(schedule, rank.lane()), **rank));
    Some(thriftiest.unwrap_or(&first).lane())
}

/// Whether all claims that can be met still can after the step.
fn is_harmless(schedule: &Schedule, now: Instant, candidate: Rank, ranks: &[Rank]) -> bool {
    let Rank::Hopeful(_, _, lane) = candidate else { return false };
    let Some(asked) = schedule.lanes[lane.0].asked else { return false };
    let cost = micros(now, now + schedule.cost(lane, asked.request.step));
    ranks.iter().all(|rank| match *rank {
        Rank::Hopeful(slack, _, other) => {
            other == lane || slack * EQUAL_MICROS - cost >= MARGIN_MICROS
        }
        Rank::Aged(..) | Rank::Late(..) => true,
    })
}

/// The part of the lane's step that does not grow with its amount, in twentieths: what a larger step would
/// have saved.
fn waste(schedule: &Schedule, lane: LaneId) -> u32 {
    let Some(asked) = schedule.lanes[lane.0].asked else { return u32::MAX };
    let Step { kind, amount } = asked.request.step;
    let cost = schedule.costs(lane, kind).cost();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of 20 parts")]
    let parts = (cost.fixed / cost.of(amount).max(1e-9) / EQUAL_WASTE) as u32;
    parts
}

/// The rank of the live request that the lane waits with.
fn rank(schedule: &Schedule, now: Instant, lane: LaneId) -> Option<Rank> {
    let asked = schedule.lanes[lane.0].asked?;
    let slack = schedule.slack(now, lane, &asked.request)?;
    if slack >= 0 {
        let round = schedule.shares.round(asked.request.claim.tenant);
        return Some(Rank::Hopeful(slack / EQUAL_MICROS, round, lane));
    }
    let is_aged = now.saturating_duration_since(asked.since) >= PATIENCE;
    if is_aged {
        return Some(Rank::Aged(asked.since, lane));
    }
    Some(Rank::Late(schedule.work_left(lane, &asked.request), asked.since, lane))
}

/// From `now` to `then` in microseconds, negative when it is past.
pub(super) fn micros(now: Instant, then: Instant) -> i64 {
    let whole = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    if then >= now { whole(then.duration_since(now)) } else { -whole(now.duration_since(then)) }
}
