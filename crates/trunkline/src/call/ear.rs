//! The caller's ear: when the other side is heard. Pure.

use std::time::{Duration, Instant};

use trunkline_audio::level::rms_dbfs;

/// Quieter than this is comfort noise.
const AUDIBLE_DBFS: f32 = -50.0;
/// The other side is taken to have finished after this much quiet.
const QUIET_AFTER: Duration = Duration::from_millis(900);

/// A stretch in which the other side was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// When its first audible packet arrived.
    pub(crate) began: Instant,
    /// When its last audible packet so far arrived.
    pub(crate) last: Instant,
}

/// What was heard, stretch by stretch.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    stretches: Vec<Stretch>,
}

impl Ear {
    /// Takes the sound of one packet.
    pub(crate) fn hear(&mut self, arrived: Instant, samples: &[i16]) {
        if rms_dbfs(samples) < AUDIBLE_DBFS {
            return;
        }
        match self.stretches.last_mut() {
            Some(open) if arrived.saturating_duration_since(open.last) < QUIET_AFTER => {
                open.last = arrived;
            }
            _ => self.stretches.push(Stretch { began: arrived, last: arrived }),
        }
    }

    /// All stretches so far.
    pub(crate) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Whether the other side is heard now.
    pub(crate) fn is_sounding(&self, now: Instant) -> bool {
        self.stretches.last().is_some_and(|s| now.saturating_duration_since(s.last) < QUIET_AFTER)
    }

    /// Whether something was heard after `since`, and it is quiet again.
    pub(crate) fn has_answered(&self, since: Instant, now: Instant) -> bool {
        self.stretches.last().is_some_and(|s| s.last > since) && !self.is_sounding(now)
    }

    /// When the other side was first heard after `at`; sound that went on from before does not count.
    pub(crate) fn first_after(&self, at: Instant) -> Option<Instant> {
        self.stretches.iter().map(|s| s.began).find(|began| *began > at)
    }

    /// When the sound that was heard at `at` stopped.
    pub(crate) fn stopped_after(&self, at: Instant) -> Option<Instant> {
        self.stretches.iter().find(|s| s.began <= at && s.last >= at).map(|s| s.last)
    }
}

/// Where the speech in a clip begins and ends, in samples: frames of `frame` samples within 35 dB of
/// the loudest, and above -55 dBFS. `None` for silence.
pub(crate) fn speech_span(samples: &[i16], frame: usize) -> Option<(usize, usize)> {
    let levels: Vec<f32> = samples.chunks(frame).map(rms_dbfs).collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let audible = |level: &f32| *level > (loudest - 35.0).max(-55.0);
    let first = levels.iter().position(audible)?;
    let last = levels.iter().rposition(audible)?;
    Some((first * frame, ((last + 1) * frame).min(samples.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    /// Hears `pattern`, one letter a packet: `x` is sound, `.` comfort noise, `-` nothing.
    fn ear(base: Instant, pattern: &str) -> Ear {
        let mut ear = Ear::default();
        for (n, letter) in (0..).zip(pattern.chars()) {
            let level: i16 = if letter == 'x' { 5000 } else { 20 };
            if letter != '-' {
                ear.hear(base + TICK * n, &[level; 160]);
            }
        }
        ear
    }

    #[test]
    fn short_gaps_do_not_split_a_stretch_and_long_ones_do() {
        let base = Instant::now();
        let pattern = format!("..xxx{}xx{}x", ".".repeat(20), ".".repeat(60));
        let ear = ear(base, &pattern);
        assert_eq!(ear.stretches().len(), 2);
        assert_eq!(ear.stretches()[0].began, base + TICK * 2);
        assert_eq!(ear.stretches()[0].last, base + TICK * 26);
    }

    #[test]
    fn an_answer_is_sound_after_the_question_and_then_quiet() {
        let base = Instant::now();
        let ear = ear(base, "....xxxx");
        let asked = base + TICK;
        assert!(!ear.has_answered(asked, base + TICK * 9));
        assert!(ear.has_answered(asked, base + TICK * 100));
        assert!(!ear.has_answered(base + TICK * 8, base + TICK * 100));
        assert_eq!(ear.first_after(asked), Some(base + TICK * 4));
    }

    #[test]
    fn speech_is_found_between_silences() {
        let mut clip = vec![0i16; 1600];
        clip.extend([4000i16; 3200]);
        clip.extend([3i16; 1600]);
        assert_eq!(speech_span(&clip, 160), Some((1600, 4800)));
        assert_eq!(speech_span(&[0; 800], 160), None);
        assert_eq!(speech_span(&[], 160), None);
    }
}
