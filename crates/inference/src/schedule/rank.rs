//! The order among live requests.

use std::time::{Duration, Instant};

use super::{LaneId, Schedule};

/// How long a request that cannot be met in time yields to those that can.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// Slacks within this are equal; whose share it is decides.
const EQUAL_MICROS: i64 = 1_000;

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
    pub(super) fn lane(self) -> LaneId {
        match self {
            Self::Aged(_, lane) | Self::Hopeful(_, _, lane) | Self::Late(_, _, lane) => lane,
        }
    }
}

/// The rank of the live request that the lane waits with.
pub(super) fn rank(schedule: &Schedule, now: Instant, lane: LaneId) -> Option<Rank> {
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
