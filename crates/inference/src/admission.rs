//! Whether one more call can be taken without harm to those in progress. Pure.

mod latencies;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::latencies::Latencies;

/// A call of this age does what calls do: it has been greeted and has asked something.
const SETTLED: Duration = Duration::from_secs(6);
/// So many calls may begin together before it is known what calls take; after that as many as are
/// settled, so that their number at most doubles until it is.
const SLOW_START: u32 = 8;
/// What calls take is known after so many observations.
const KNOWN_AFTER: u32 = 5;
/// The device's time is averaged over about this.
const MEMORY: Duration = Duration::from_secs(5);
/// What a call takes is averaged over so many observations.
const DEMAND_SAMPLES: u32 = 20;
/// How often a caller says something, on average: what is planned with until calls tell.
const TURN_EVERY: Duration = Duration::from_secs(10);
/// Above this part of its time a device has no room for what is uneven about speech: on two cores calls
/// that keep it busy for 0.6 of it are in time, and of those that take 0.8 one turn in twenty takes 3 s.
const MOST_BUSY: f64 = 0.7;
/// A device that refused takes calls again once this much less is predicted.
const HYSTERESIS: f64 = 0.9;
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
/// The device's time is asked of its lanes, and what a call takes of it is learned. A turn of a device
/// that is busy for the part *b* of its time takes 1 / (1 - *b*) of what it takes alone, as in a queue
/// that is shared in turn (Kleinrock, "Queueing Systems" 2, 1976, section 4.4); so measured
/// turns are scaled to what they take alone, and their 95th percentile to what it will be.
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

/// The part of its time that a device is at work.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    last: Option<(Instant, Duration)>,
    part: f64,
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
            let mean = work.as_secs_f64() / TURN_EVERY.as_secs_f64();
            self.demand = Demand { mean, samples: 0, expected: KNOWN_AFTER };
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

    /// A caller waited so long for an answer.
    pub fn turn_took(&mut self, now: Instant, latency: Duration) {
        // What it would have been alone: the device may be busier by the time this is looked at.
        let alone = latency.mul_f64((1.0 - self.busy_now(now)).max(1.0 - MOST_BUSY));
        self.latencies.push(now, alone);
    }

    /// How long the device has been at work for calls, told about once a second.
    pub fn device_worked(&mut self, now: Instant, total: Duration) {
        let Some(part) = self.busy.observe(now, total) else { return };
        let (settled, _) = self.ages(now);
        if settled > 0 {
            // Too much while others have just begun, which is the safe side.
            self.demand.learn(part / f64::from(settled));
        }
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
        if self.demand.samples < KNOWN_AFTER && young >= settled.max(SLOW_START) {
            return Err(Cause::Unknown);
        }
        let strict = if self.is_refusing { HYSTERESIS } else { 1.0 };
        let busy = self.busy_now(now) + self.demand.mean * (more + f64::from(young));
        if busy > MOST_BUSY * strict {
            return Err(Cause::Full { busy });
        }
        let Some(p95) = self.latencies.p95(now) else { return Ok(()) };
        let predicted = p95.div_f64(1.0 - busy);
        if predicted > self.limit.mul_f64(strict) {
            return Err(Cause::Slow { predicted });
        }
        Ok(())
    }

    /// The part of its time that the device is busy with calls that are settled. What was measured lags
    /// behind a call that has just settled.
    fn busy_now(&self, now: Instant) -> f64 {
        self.busy.part.max(self.demand.mean * f64::from(self.ages(now).0))
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

/// What a call takes, on average over the latest seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    mean: f64,
    samples: u32,
    /// So many observations the mean that was expected counts for.
    expected: u32,
}

impl Demand {
    fn learn(&mut self, part: f64) {
        self.samples = (self.samples + 1).min(DEMAND_SAMPLES);
        self.mean += (part - self.mean) / f64::from(self.samples.max(self.expected));
    }
}

impl Busy {
    /// The part since it was observed last.
    fn observe(&mut self, now: Instant, total: Duration) -> Option<f64> {
        let (then, before) = self.last.replace((now, total))?;
        let passed = now.saturating_duration_since(then).as_secs_f64();
        if passed <= 0.0 {
            return None;
        }
        let part = (total.saturating_sub(before).as_secs_f64() / passed).min(1.0);
        let weight = 1.0 - (-passed / MEMORY.as_secs_f64()).exp();
        self.part += (part - self.part) * weight;
        Some(part)
    }
}

#[cfg(test)]
mod tests;
