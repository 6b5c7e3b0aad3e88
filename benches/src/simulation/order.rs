//! Who steps next: by the real schedule, or by simpler rules.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use trunkline_inference::schedule::{Claim, Cost, LaneId, Schedule, Stepped, Tenant};

use super::lanes::Demand;

/// Lanes of a call: hears, answers, speaks.
pub(super) const LANES: usize = 3;

/// How lanes share a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floor {
    /// One step at a time, or two that share it, in an order.
    InTurn(Order),
    /// Side by side, each with this part of the device whether it needs it or not.
    Split([f64; LANES]),
    /// Side by side, those that have work with the same part: a GPU that switches between processes.
    Sliced,
}

/// The order of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// The real schedule's, with so many steps at once.
    Schedule(NonZeroUsize),
    /// As they were asked for.
    FirstCome,
    /// The first due first.
    FirstDue,
}

impl Order {
    /// How many steps may run at once.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Schedule(width) => width.get(),
            Self::FirstCome | Self::FirstDue => 1,
        }
    }
}

/// Decides between lanes that have work.
#[derive(Debug)]
pub(super) enum Referee {
    Schedule { schedule: Box<Schedule>, lanes: [LaneId; LANES], epoch: Instant },
    FirstCome { since: [Option<f64>; LANES] },
    FirstDue,
}

impl Referee {
    pub(super) fn new(order: Order) -> Self {
        match order {
            Order::Schedule(width) => {
                let mut schedule = Box::new(Schedule::new(width));
                let lanes = std::array::from_fn(|_| schedule.lane(Cost::default()));
                Self::Schedule { schedule, lanes, epoch: Instant::now() }
            }
            Order::FirstCome => Self::FirstCome { since: [None; LANES] },
            Order::FirstDue => Self::FirstDue,
        }
    }

    /// The lane that is to step.
    pub(super) fn next(&mut self, now: f64, demands: &[Option<Demand>; LANES]) -> Option<usize> {
        match self {
            Self::Schedule { schedule, lanes, epoch } => {
                let at = |seconds: f64| *epoch + Duration::from_secs_f64(seconds.max(0.0));
                for (lane, demand) in lanes.iter().zip(demands) {
                    withdraw_or_ask(schedule, at(now), *lane, demand.as_ref(), at);
                }
                let granted = schedule.next(at(now))?;
                lanes.iter().position(|lane| *lane == granted)
            }
            Self::FirstCome { since } => {
                for (since, demand) in since.iter_mut().zip(demands) {
                    *since = demand.as_ref().map(|_| since.unwrap_or(now));
                }
                let waiting = (0..LANES).filter_map(|lane| Some((since[lane]?, lane)));
                let (_, lane) = waiting.min_by(|a, b| a.0.total_cmp(&b.0))?;
                since[lane] = None;
                Some(lane)
            }
            Self::FirstDue => {
                let due = |lane: &usize| Some((first_due(demands[*lane].as_ref()?), *lane));
                let waiting = (0..LANES).filter_map(|lane| due(&lane));
                waiting.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, lane)| lane)
            }
        }
    }

    /// The lane's step is over; what the real schedule says of it.
    pub(super) fn done(&mut self, now: f64, lane: usize) -> Option<Stepped> {
        let Self::Schedule { schedule, lanes, epoch } = self else { return None };
        schedule.done(*epoch + Duration::from_secs_f64(now), lanes[lane])
    }
}

fn first_due(demand: &Demand) -> f64 {
    demand.claims.iter().map(|(due, _)| *due).fold(f64::INFINITY, f64::min)
}

/// What a lane does at its device when it has or has not something to do.
fn withdraw_or_ask(
    schedule: &mut Schedule,
    now: Instant,
    lane: LaneId,
    demand: Option<&Demand>,
    at: impl Fn(f64) -> Instant,
) {
    let Some(Demand { step, claims }) = demand else { return schedule.withdraw(lane) };
    let claims = claims.iter().map(|(due, left)| (Claim::live(Tenant(0), at(*due)), *left));
    if let Some(request) = schedule.most_urgent(now, lane, *step, claims) {
        schedule.ask(now, lane, request);
    }
}
