//! The beat of a call: every 20 ms, just after the caller's packets arrive.

use std::time::{Duration, Instant};

/// The length of a beat.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// How long after a packet the beat comes: less, and a packet a little late waits a whole beat.
const AFTER_PACKET: Duration = Duration::from_millis(3);
/// The most that one beat is longer or shorter than another: 5 %, which no receiver notices.
const STEP: Duration = Duration::from_millis(1);
/// From this jitter on there is no time at which packets arrive.
const UNSTEADY: Duration = Duration::from_millis(5);
/// A leg that was not asked for longer than this does not catch up: what is older is skipped.
const MAX_BEHIND: Duration = Duration::from_millis(100);

/// When the next beat is.
///
/// A beat at a random time lets each packet wait 10 ms on average before anybody hears it; this one
/// moves step by step to where the wait is shortest.
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + TICK }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// A beat is served at `now`; gives how many before it were missed and are skipped.
    pub(super) fn beat(&mut self, now: Instant) -> u32 {
        let late = now.saturating_duration_since(self.next);
        self.next += TICK;
        if late <= MAX_BEHIND {
            return 0;
        }
        let skipped = u32::try_from(late.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
        self.next += TICK * skipped;
        skipped
    }

    /// A packet arrived at `now`; packets come with this much jitter.
    pub(super) fn arrived(&mut self, now: Instant, jitter: Duration) {
        // An overdue beat says nothing about the packets.
        let Some(wait) = self.next.checked_duration_since(now).filter(|_| jitter <= UNSTEADY)
        else {
            return;
        };
        // The nearest beat that is just after a packet may be the one after the next.
        let wanted =
            if wait >= AFTER_PACKET + TICK / 2 { AFTER_PACKET + TICK } else { AFTER_PACKET };
        if wait > wanted {
            self.next -= STEP.min(wait.abs_diff(wanted));
        } else {
            self.next += STEP.min(wait.abs_diff(wanted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Duration = Duration::from_micros(200);

    /// The wait of the last of 60 packets, the first of which came `first` ms before a beat; and the
    /// shortest and the longest beat.
    fn settle(first: u64, jitter: Duration) -> (Duration, Duration, Duration) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut shortest, mut longest) = (TICK, TICK);
        let mut wait = Duration::ZERO;
        let mut packet = start + TICK.saturating_sub(Duration::from_millis(first));
        for _ in 0..60 {
            wait = pace.next() - packet;
            pace.arrived(packet, jitter);
            let beat = pace.next();
            packet += TICK;
            if beat < packet {
                pace.beat(beat);
                shortest = shortest.min(pace.next() - beat);
                longest = longest.max(pace.next() - beat);
            }
        }
        (wait, shortest, longest)
    }

    #[test]
    fn beats_move_to_just_after_the_packets_from_wherever_they_were() {
        for first in 1..20 {
            let (wait, ..) = settle(first, CALM);
            assert!(wait.abs_diff(AFTER_PACKET) <= STEP, "{first} ms: {wait:?}");
        }
    }

    #[test]
    fn packets_without_a_beat_of_their_own_move_nothing() {
        for first in 1..20 {
            let (wait, ..) = settle(first, UNSTEADY * 2);
            assert_eq!(wait, Duration::from_millis(first));
        }
    }

    #[test]
    fn a_late_beat_is_made_up_for_and_a_long_pause_is_not() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.beat(start + TICK * 3), 0);
        assert_eq!(pace.next(), start + TICK * 2);
        assert_eq!(pace.beat(start + TICK * 22), 20);
        assert_eq!(pace.next(), start + TICK * 23);
    }
}
