//! Whether one more call can be taken without harm to those in progress. Pure.

mod demand;
mod latencies;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::{
    demand::{Busy, Demand},
    latencies::{Latencies, Turn},
};

/// A call of this age does what calls do: it has been greeted and has asked something.
const SETTLED: Duration = Duration::from_secs(6);
/// So many calls may begin together before it is known what calls take; after that as many as are
/// settled, so that their number at most doubles until it is.
const SLOW_START: u32 = 8;
/// A caller says something so often, on average: what is planned with until calls tell.
const TURN_EVERY: Duration = Duration::from_secs(10);
/// Calls may ask for this part of the device's time, on average. Speech is uneven: two cores that calls keep busy for
/// 0.7 of their time answer in 0.7 s and 95 in 100 turns in 1.2 s, at 0.76 in 0.9 and 1.3 s; beyond, turns wait for
/// one another.
const MOST_BUSY: f64 = 0.8;
/// A device that was busier than this in the latest seconds takes no call, whatever calls ask for on average.
const CROWDED: f64 = 0.92;
/// A device that refused takes calls again once this much less is predicted.
const HYSTERESIS: f64 = 0.97;
/// Refused callers are told to come back after this, unless calls end more often.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// When there may be room.
    pub retry_after: Duration,
    /// What is the matter.
    pub cause: Cause,
}

/// What one more call would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// Turns would take longer than they may, by the 95th percentile.
    Slow {
        /// How long.
        predicted: Duration,
    },
    /// The device would have no time left: the part of its time, above 1 when it could not keep up.
    Full {
        /// That part.
        busy: f64,
    },
    /// Several calls have just begun, and what they take is not known yet.
    Unknown,
}

/// Predicts what one more call does to the turns of calls in progress.
///
/// The device's time is asked of its lanes, and what a call takes of it is learned. What models do for a turn takes
/// 1 / (1 - *b*) of what it takes alone when the device is busy for the part *b* of its time, as in a queue that is
/// shared in turn (Kleinrock, "Queueing Systems" 2, 1976, section 4.4): so the work of measured turns is scaled to
/// what it takes alone, and to what it will take. The silence that an end of turn is told by stays as it is.
#[derive(Clone, Debug)]
pub struct Admission {
    limit: Duration,
    /// When each call in progress began.
    calls: BTreeMap<u128, Instant>,
    latencies: Latencies,
    busy: Busy,
    /// The part of the device's time that a settled call takes.
    demand: Demand,
    is_refusing: bool,
    last_end: Option<Instant>,
    /// How long it takes until a call ends, on average.
    between_ends: Option<Duration>,
}

impl Admission {
    /// Keeps the 95th percentile of turns below `limit`.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            calls: BTreeMap::new(),
            latencies: Latencies::default(),
            busy: Busy::default(),
            demand: Demand::default(),
            is_refusing: false,
            last_end: None,
            between_ends: None,
        }
    }

    /// What calls take until they show it themselves: a turn each [`TURN_EVERY`] that keeps the device at
    /// work for so long.
    pub fn expect_turns_of(&mut self, work: Duration) {
        if !work.is_zero() {
            self.demand = Demand::expected(work.as_secs_f64() / TURN_EVERY.as_secs_f64());
        }
    }

    /// A call began.
    pub fn call_began(&mut self, now: Instant, call: u128) {
        self.calls.entry(call).or_insert(now);
    }

    /// A call ended.
    pub fn call_ended(&mut self, now: Instant, call: u128) {
        if self.calls.remove(&call).is_none() {
            return;
        }
        if let Some(last) = self.last_end {
            let took = now.saturating_duration_since(last).min(LONGEST_RETRY);
            self.between_ends = Some((self.between_ends.unwrap_or(took) * 3 + took) / 4);
        }
        self.last_end = Some(now);
    }

    /// A caller waited for an answer: so long in `silence`, until it was sure that nothing followed, and so long for
    /// the `work` of models.
    pub fn turn_took(&mut self, now: Instant, silence: Duration, work: Duration) {
        // By the load that calls make on average, as it is judged by later: a quiet second would make too much of it.
        let (settled, young) = self.ages(now);
        let busy = self.demand.of_a_call() * (f64::from(settled) + f64::from(young) / 2.0);
        let alone = work.mul_f64((1.0 - busy).max(1.0 - CROWDED));
        self.latencies.push(now, Turn { silence, alone });
    }

    /// How long the device has been at work for calls, told about once a second.
    pub fn device_worked(&mut self, now: Instant, total: Duration) {
        let Some(part) = self.busy.observe(now, total) else { return };
        // Of a rush that has just begun not all are counted: what they take is not to be had yet.
        let (settled, young) = self.ages(now);
        self.demand.learn(part, settled + young.min(settled / 2));
    }

    /// Whether one more call may be taken.
    pub fn admit(&mut self, now: Instant) -> Result<(), Refusal> {
        // One alone harms nobody, however slow the machine is.
        let verdict = if self.calls.is_empty() { Ok(()) } else { self.judge(now, 1.0) };
        self.is_refusing = verdict.is_err();
        verdict.map_err(|cause| Refusal { retry_after: self.retry_after(), cause })
    }

    /// Whether a program's request may be taken: calls in progress have their room as it is.
    pub fn admit_request(&self, now: Instant) -> Result<(), Refusal> {
        match self.judge(now, 0.0) {
            Ok(()) | Err(Cause::Unknown) => Ok(()),
            Err(_) if self.calls.is_empty() => Ok(()),
            Err(cause) => Err(Refusal { retry_after: self.retry_after(), cause }),
        }
    }

    fn judge(&self, now: Instant, more: f64) -> Result<(), Cause> {
        let (settled, young) = self.ages(now);
        if !self.demand.is_known() && young >= settled.max(SLOW_START) {
            return Err(Cause::Unknown);
        }
        let strict = if self.is_refusing { HYSTERESIS } else { 1.0 };
        let busy = self.demand.of_a_call() * (f64::from(settled) + f64::from(young) + more);
        if busy > MOST_BUSY * strict {
            return Err(Cause::Full { busy });
        }
        if self.busy.part() > CROWDED * strict {
            return Err(Cause::Full { busy: self.busy.part() });
        }
        let Some(predicted) = self.latencies.p95(now, 1.0 / (1.0 - busy)) else { return Ok(()) };
        if predicted > self.limit.mul_f64(strict) {
            return Err(Cause::Slow { predicted });
        }
        Ok(())
    }

    /// How many calls do what calls do, and how many have just begun.
    fn ages(&self, now: Instant) -> (u32, u32) {
        let is_settled = |began: &&Instant| now.saturating_duration_since(**began) >= SETTLED;
        let count = |calls: usize| u32::try_from(calls).unwrap_or(u32::MAX);
        let settled = self.calls.values().filter(is_settled).count();
        (count(settled), count(self.calls.len() - settled))
    }

    fn retry_after(&self) -> Duration {
        self.between_ends.unwrap_or(RETRY).clamp(Duration::from_secs(1), LONGEST_RETRY)
    }
}

#[cfg(test)]
mod tests;
