//! When packets arrive, measured against their timestamps: delays, their spread and their jitter.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How many packets the measured spread looks back on: 2.6 s at 20 ms. Longer would keep a passed
/// storm in the delay, shorter would forget the last one before the next.
pub(super) const WINDOW: usize = 128;

/// How many packets must have arrived before the measured spread is believed.
const KNOWN_AFTER: usize = 32;

/// One packet in this many may come later than the depth allows.
const LATE_ONE_IN: usize = 40;

/// A packet this far off the others' time does not belong to their timeline.
const JUMP: Duration = Duration::from_secs(2);

/// The arrivals of one stream. Times are counted in ticks of the stream's clock.
#[derive(Debug)]
pub(super) struct Arrivals {
    clock_hz: u32,
    epoch: Option<Instant>,
    last: Option<Last>,
    /// Arrival minus timestamp of the last [`WINDOW`] packets; the oldest gives way.
    transits: VecDeque<i64>,
    floor: i64,
    spread: i64,
    jitter: f64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: i64,
    transit: i64,
}

impl Arrivals {
    pub(super) fn new(clock_hz: u32) -> Self {
        Self {
            clock_hz,
            epoch: None,
            last: None,
            transits: VecDeque::with_capacity(WINDOW),
            floor: 0,
            spread: 0,
            jitter: 0.0,
        }
    }

    /// Forgets the stream's timeline; the jitter is kept as a first guess of the next one.
    pub(super) fn reset(&mut self) {
        self.last = None;
        self.transits.clear();
        (self.floor, self.spread) = (0, 0);
    }

    /// Whether the packet stands so far off the timeline that a new one must have begun.
    pub(super) fn is_jump(&self, now: Instant, timestamp: u32) -> bool {
        let Some(last) = self.last else { return false };
        let transit = self.ticks_at(now) - unwrapped(timestamp, last.timestamp);
        (transit - last.transit).abs() > self.to_ticks(JUMP)
    }

    /// Notes an arrival; gives the timestamp without its wraps.
    pub(super) fn add(&mut self, now: Instant, timestamp: u32) -> i64 {
        self.epoch.get_or_insert(now);
        let near = self.last.map_or_else(|| i64::from(timestamp), |last| last.timestamp);
        let timestamp = unwrapped(timestamp, near);
        let transit = self.ticks_at(now) - timestamp;
        if let Some(last) = self.last {
            let difference = (transit - last.transit).abs() as f64;
            self.jitter += (difference - self.jitter) / 16.0;
        }
        self.last = Some(Last { timestamp, transit });
        if self.transits.len() == WINDOW {
            self.transits.pop_front();
        }
        self.transits.push_back(transit);
        self.measure();
        timestamp
    }

    /// How long after the fastest packets would have brought it the timestamp stands at `now`.
    pub(super) fn age(&self, now: Instant, timestamp: i64) -> i64 {
        self.ticks_at(now) - timestamp - self.floor
    }

    /// How much later than the fastest all but one in [`LATE_ONE_IN`] packets came.
    pub(super) fn spread(&self) -> i64 {
        self.spread
    }

    pub(super) fn is_known(&self) -> bool {
        self.transits.len() >= KNOWN_AFTER
    }

    pub(super) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter / f64::from(self.clock_hz))
    }

    pub(super) fn to_ticks(&self, span: Duration) -> i64 {
        (span.as_nanos() * u128::from(self.clock_hz) / 1_000_000_000) as i64
    }

    pub(super) fn to_duration(&self, ticks: i64) -> Duration {
        Duration::from_secs_f64(ticks.max(0) as f64 / f64::from(self.clock_hz))
    }

    fn ticks_at(&self, now: Instant) -> i64 {
        let Some(epoch) = self.epoch else { return 0 };
        self.to_ticks(now.saturating_duration_since(epoch))
    }

    fn measure(&mut self) {
        let mut sorted = [0; WINDOW];
        let sorted = &mut sorted[..self.transits.len()];
        for (slot, transit) in sorted.iter_mut().zip(&self.transits) {
            *slot = *transit;
        }
        sorted.sort_unstable();
        let allowed_late = sorted.len() / LATE_ONE_IN;
        self.floor = sorted[0];
        self.spread = sorted[sorted.len() - 1 - allowed_late] - self.floor;
    }
}

/// The wide timestamp that ends in `timestamp` and lies nearest to `near`.
fn unwrapped(timestamp: u32, near: i64) -> i64 {
    near + i64::from(timestamp.wrapping_sub(near as u32) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time needs some start")]
    fn start() -> Instant {
        Instant::now()
    }

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn an_even_stream_has_no_spread_and_no_jitter() {
        let (start, mut arrivals) = (start(), Arrivals::new(8_000));
        for n in 0..200_u32 {
            arrivals.add(at(start, u64::from(n) * 20), n * 160);
        }
        assert_eq!(arrivals.spread(), 0);
        assert_eq!(arrivals.jitter(), Duration::ZERO);
        assert_eq!(arrivals.age(at(start, 4_000), 200 * 160), 0);
    }

    #[test]
    fn jitter_is_the_estimate_of_rfc_3550() {
        let (start, mut arrivals) = (start(), Arrivals::new(8_000));
        arrivals.add(at(start, 0), 0);
        arrivals.add(at(start, 36), 160);
        // 16 ms off: 128 ticks, of which a sixteenth is 8 ticks or 1 ms.
        assert_eq!(arrivals.jitter(), Duration::from_millis(1));
    }

    #[test]
    fn timestamps_unwrap_in_both_directions() {
        assert_eq!(unwrapped(5, i64::from(u32::MAX)), i64::from(u32::MAX) + 6);
        assert_eq!(unwrapped(u32::MAX, 3), -1);
        assert_eq!(unwrapped(160, 0), 160);
    }

    #[test]
    fn a_pause_of_the_sender_is_no_jump_but_a_leap_of_the_clock_is() {
        let (start, mut arrivals) = (start(), Arrivals::new(8_000));
        arrivals.add(at(start, 0), 1_000);
        assert!(!arrivals.is_jump(at(start, 60_000), 1_000 + 60 * 8_000));
        assert!(arrivals.is_jump(at(start, 20), 1_000 + 3 * 8_000));
        assert!(arrivals.is_jump(at(start, 20), 900_000_000));
    }
}
