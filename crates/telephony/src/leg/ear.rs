//! From packets as they arrive to frames of 20 ms at 16 kHz, without a gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use trunkline_audio::{
    Concealer, Content, Frame, JitterBuffer, JitterConfig, MediaTime, Popped, Resampler, level,
};

use super::payload;
use crate::rtp::{CLOCK_HZ, Numbered, SAMPLES};

/// What listening models take.
const HEARD_HZ: u32 = 16_000;
/// Samples in a frame.
const FRAME: usize = 320;
/// A packet that is quieter may be skipped when the buffer is too long.
const QUIET_DBFS: f32 = -50.0;
/// Pops for one tick: packets may be as short as 10 ms, and a pop may bring nothing.
const MAX_POPS: usize = 4;

/// The caller's sound.
pub(super) struct Ear {
    jitter: JitterBuffer<Vec<i16>>,
    concealer: Concealer,
    resampler: Resampler,
    /// Decoded and not yet converted; less than a packet.
    waiting: VecDeque<i16>,
    /// Converted and not yet in a frame; less than a frame.
    converted: Vec<i16>,
    frames: u64,
}

impl Ear {
    pub(super) fn new() -> Self {
        Self {
            jitter: JitterBuffer::new(JitterConfig::default()),
            concealer: Concealer::new(),
            resampler: Resampler::new(CLOCK_HZ, HEARD_HZ),
            waiting: VecDeque::new(),
            converted: Vec::new(),
            frames: 0,
        }
    }

    /// A packet of sound arrived.
    pub(super) fn hear(&mut self, now: Instant, numbered: Numbered, samples: Vec<i16>) {
        let ticks = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let is_quiet = level::rms_dbfs(&samples) < QUIET_DBFS;
        let content = Content::Sound { item: samples, ticks, is_quiet };
        self.jitter.push(now, payload(numbered, content));
    }

    /// A packet without sound arrived.
    pub(super) fn pass(&mut self, now: Instant, numbered: Numbered) {
        self.jitter.push(now, payload(numbered, Content::Other));
    }

    /// How unevenly packets arrive.
    pub(super) fn jitter(&self) -> Duration {
        self.jitter.statistics().jitter
    }

    /// Sound after a pause has nothing to do with the sound before.
    pub(super) fn reset(&mut self) {
        let frames = self.frames;
        *self = Self { frames, ..Self::new() };
    }

    /// The next 20 ms.
    pub(super) fn next(&mut self, now: Instant) -> Frame {
        self.gather(now);
        let samples: Vec<i16> = self.waiting.drain(..SAMPLES.min(self.waiting.len())).collect();
        self.resampler.process(&samples, &mut self.converted);
        let mut frame: Vec<i16> = self.converted.drain(..FRAME.min(self.converted.len())).collect();
        frame.resize(FRAME, 0);
        let at = MediaTime::from_samples(self.frames * FRAME as u64, HEARD_HZ);
        self.frames += 1;
        Frame::new(frame, HEARD_HZ, at)
    }

    /// Brings at least 20 ms together, with silence where there is nothing.
    fn gather(&mut self, now: Instant) {
        for _ in 0..MAX_POPS {
            if self.waiting.len() >= SAMPLES {
                return;
            }
            match self.jitter.pop(now) {
                Popped::Packet(mut samples) => {
                    self.concealer.receive(&mut samples);
                    self.waiting.extend(samples);
                }
                Popped::Lost { ticks } => {
                    let ticks = usize::try_from(ticks).unwrap_or(SAMPLES).min(SAMPLES * 3);
                    let mut samples = vec![0; ticks];
                    self.concealer.conceal(&mut samples);
                    self.waiting.extend(samples);
                }
                Popped::Empty => break,
            }
        }
        if self.waiting.len() < SAMPLES {
            self.waiting.resize(SAMPLES, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "a sine of 8000 fits")]
    fn tone(n: u64) -> Vec<i16> {
        let phase = |k: u64| f64::from(u32::try_from((n * 160 + k) % 8000).unwrap()) / 8000.0;
        (0..160)
            .map(|k| (8000.0 * (phase(k) * 440.0 * std::f64::consts::TAU).sin()) as i16)
            .collect()
    }

    /// Frames heard when the packets for which `arrives` holds come, each `samples` long.
    fn heard(arrives: impl Fn(u64) -> bool) -> Vec<Frame> {
        let mut ear = Ear::new();
        let start = Instant::now();
        (0..100u64)
            .map(|n| {
                let now = start + Duration::from_millis(20 * n);
                let seq = u16::try_from(n).unwrap();
                if arrives(n) {
                    let numbered = Numbered { ssrc: 1, seq, timestamp: u32::from(seq) * 160 };
                    ear.hear(now, numbered, tone(n));
                }
                ear.next(now)
            })
            .collect()
    }

    #[test]
    fn frames_follow_each_other_without_a_gap() {
        let frames = heard(|n| n % 7 != 3);
        for pair in frames.windows(2) {
            assert_eq!(pair[0].end(), pair[1].at());
            assert_eq!(pair[0].samples().len(), 320);
        }
    }

    #[test]
    fn a_lost_packet_is_concealed() {
        let frames = heard(|n| n != 50);
        let quietest = frames[10..]
            .iter()
            .map(|frame| level::rms_dbfs(frame.samples()))
            .fold(f32::INFINITY, f32::min);
        assert!(quietest > -20.0, "{quietest}");
    }

    #[test]
    fn nothing_but_silence_is_heard_of_nobody() {
        let frames = heard(|_| false);
        assert!(frames.iter().all(|frame| level::peak(frame.samples()) == 0));
    }

    #[test]
    fn packets_of_10_30_and_60_ms_fill_the_same_frames() {
        for ms in [10u64, 30, 60] {
            let mut ear = Ear::new();
            let start = Instant::now();
            let size = ms * 8;
            let mut sent = 0u16;
            let loud: Vec<bool> = (0..200u64)
                .map(|n| {
                    let now = start + Duration::from_millis(20 * n);
                    while u64::from(sent) * ms <= n * 20 {
                        let timestamp = u32::from(sent) * u32::try_from(size).unwrap();
                        let numbered = Numbered { ssrc: 1, seq: sent, timestamp };
                        let samples = vec![5000; usize::try_from(size).unwrap()];
                        ear.hear(now, numbered, samples);
                        sent += 1;
                    }
                    level::peak(ear.next(now).samples()) > 3000
                })
                .collect();
            let silent = loud[30..].iter().filter(|loud| !**loud).count();
            assert!(silent <= 3, "{ms} ms packets: {silent} of 170 frames are silent");
        }
    }
}
