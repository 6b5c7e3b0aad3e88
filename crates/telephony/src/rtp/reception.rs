//! What arrived of the other side's stream, for reports (RFC 3550, appendix A).

use std::time::{Duration, Instant};

use super::{CLOCK_HZ, Numbered};

/// A stream whose numbers jump by more than this begins anew.
const MAX_JUMP: u16 = 3000;

/// Counts packets and measures jitter.
#[derive(Debug, Default)]
pub(super) struct Reception {
    stream: Option<Stream>,
    /// Of streams before this one.
    earlier: Counts,
    last_sender_report: Option<(Instant, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    expected: u64,
    received: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    first: u64,
    /// The highest number with its wraps.
    highest: u64,
    received: u64,
    transit: Option<f64>,
    /// In ticks.
    jitter: f64,
    reported: Counts,
}

/// What a report says about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
    pub(super) jitter: u32,
    pub(super) last_sender_report: u32,
    pub(super) delay: u32,
}

impl Reception {
    /// A packet arrived at `now`. Packets whose timestamp does not tell when they were made, as
    /// those of keys, do not count for jitter.
    pub(super) fn receive(&mut self, now: Instant, packet: Numbered, is_timed: bool) {
        let follows = self.stream.as_mut().filter(|stream| stream.ssrc == packet.ssrc);
        let follows = follows.is_some_and(|stream| stream.follow(packet.seq));
        if !follows {
            self.earlier = self.counts();
            self.last_sender_report = None;
            self.stream = Some(Stream::new(packet));
        }
        let Some(stream) = &mut self.stream else { return };
        stream.received += 1;
        if is_timed {
            stream.time(now, packet.timestamp);
        }
    }

    /// A sender report with this NTP time came.
    pub(super) fn sender_reported(&mut self, now: Instant, ntp: u64) {
        self.last_sender_report = Some((now, ntp));
    }

    pub(super) fn received(&self) -> u64 {
        self.counts().received
    }

    pub(super) fn lost(&self) -> u64 {
        let counts = self.counts();
        counts.expected.saturating_sub(counts.received)
    }

    pub(super) fn jitter_ms(&self) -> f64 {
        self.stream.map_or(0.0, |stream| stream.jitter * 1000.0 / f64::from(CLOCK_HZ))
    }

    /// The block of the next report.
    pub(super) fn block(&mut self, now: Instant) -> Option<Block> {
        let stream = self.stream.as_mut()?;
        let counts = stream.counts();
        let expected = counts.expected - stream.reported.expected;
        let received = counts.received - stream.reported.received;
        stream.reported = counts;
        let lost = expected.saturating_sub(received);
        let fraction_lost = (lost * 256).checked_div(expected).unwrap_or(0);
        let (last_sender_report, delay) = match self.last_sender_report {
            None => (0, 0),
            Some((at, ntp)) => (middle(ntp), since(now, at)),
        };
        Some(Block {
            ssrc: stream.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: u32::try_from(counts.expected.saturating_sub(counts.received))
                .unwrap_or(u32::MAX)
                .min(0x7f_ffff),
            highest: low_half(stream.highest),
            jitter: whole(stream.jitter),
            last_sender_report,
            delay,
        })
    }

    fn counts(&self) -> Counts {
        let now = self.stream.map_or_else(Counts::default, |stream| stream.counts());
        Counts {
            expected: self.earlier.expected + now.expected,
            received: self.earlier.received + now.received,
        }
    }
}

impl Stream {
    fn new(packet: Numbered) -> Self {
        // One turn of the numbers ahead, so that an earlier packet still has a place.
        let seq = u64::from(packet.seq) + (1 << 16);
        Self {
            ssrc: packet.ssrc,
            first: seq,
            highest: seq,
            received: 0,
            transit: None,
            jitter: 0.0,
            reported: Counts::default(),
        }
    }

    /// Takes a number; false when the stream must begin anew.
    fn follow(&mut self, seq: u16) -> bool {
        let last = u16::try_from(self.highest & 0xffff).expect("16 bits fit");
        let ahead = seq.wrapping_sub(last);
        if ahead < MAX_JUMP {
            self.highest += u64::from(ahead);
            return true;
        }
        let behind = last.wrapping_sub(seq);
        behind < MAX_JUMP
    }

    /// RFC 3550, appendix A.8.
    fn time(&mut self, now: Instant, timestamp: u32) {
        let arrival = elapsed_ticks(now);
        let transit = (arrival - f64::from(timestamp)).rem_euclid(4_294_967_296.0);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit - before).abs();
            let difference = difference.min(4_294_967_296.0 - difference);
            self.jitter += (difference - self.jitter) / 16.0;
        }
    }

    fn counts(&self) -> Counts {
        Counts { expected: self.highest - self.first + 1, received: self.received }
    }
}

/// Ticks since the first call of this process.
fn elapsed_ticks(now: Instant) -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(|| now);
    now.saturating_duration_since(start).as_secs_f64() * f64::from(CLOCK_HZ)
}

/// The middle 32 bits of an NTP time.
fn middle(ntp: u64) -> u32 {
    u32::try_from(ntp >> 16 & 0xffff_ffff).expect("32 bits fit")
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).expect("32 bits fit")
}

/// In 1/65536 s.
fn since(now: Instant, at: Instant) -> u32 {
    let delay: Duration = now.saturating_duration_since(at);
    u32::try_from(delay.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest u32 it can"
)]
fn whole(ticks: f64) -> u32 {
    ticks as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, seq: u16) -> Numbered {
        Numbered { ssrc, seq, timestamp: u32::from(seq) * 160 }
    }

    #[test]
    fn losses_are_counted_across_the_wrap() {
        let mut reception = Reception::default();
        let start = Instant::now();
        for n in 0..100u64 {
            if n % 10 != 3 {
                let seq = 65_500u16.wrapping_add(u16::try_from(n).unwrap());
                reception.receive(start + Duration::from_millis(20 * n), packet(1, seq), true);
            }
        }
        assert_eq!((reception.received(), reception.lost()), (90, 10));
        let block = reception.block(start).unwrap();
        assert_eq!((block.fraction_lost, block.lost), (25, 10));
        assert_eq!(block.highest & 0xffff, u32::from(65_500u16.wrapping_add(99)));
        assert_eq!(reception.block(start).unwrap().fraction_lost, 0);
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_an_unsteady_one_has() {
        let mut steady = Reception::default();
        let mut unsteady = Reception::default();
        let start = Instant::now();
        for n in 0..200u16 {
            let at = start + Duration::from_millis(20 * u64::from(n));
            steady.receive(at, packet(1, n), true);
            unsteady.receive(at + Duration::from_millis(u64::from(n % 2) * 10), packet(1, n), true);
        }
        assert!(steady.jitter_ms() < 0.1, "{}", steady.jitter_ms());
        assert!((9.0..11.0).contains(&unsteady.jitter_ms()), "{}", unsteady.jitter_ms());
    }

    #[test]
    fn a_stream_that_begins_anew_loses_nothing() {
        let mut reception = Reception::default();
        let now = Instant::now();
        for (ssrc, first) in [(1, 0u16), (2, 40_000), (2, 100)] {
            for n in 0..10 {
                reception.receive(now, packet(ssrc, first + n), true);
            }
        }
        assert_eq!((reception.received(), reception.lost()), (30, 0));
    }

    #[test]
    fn reordered_packets_are_not_lost() {
        let mut reception = Reception::default();
        for seq in [10, 12, 11, 13, 13] {
            reception.receive(Instant::now(), packet(1, seq), true);
        }
        assert_eq!(reception.lost(), 0);
    }
}
