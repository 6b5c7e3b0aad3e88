//! The last seconds of what a call's ears heard.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use trunkline_audio::{Frame, MediaTime, level};

/// What the end-of-turn model looks at.
const TAIL_SECONDS: usize = 8;
pub(super) const HZ: usize = 16_000;

/// The last seconds of sound, and when they were heard.
#[derive(Default)]
pub(super) struct Past {
    frames: VecDeque<Frame>,
    pub(super) heard_at: Option<(Instant, MediaTime)>,
    /// Where the turn that is heard began.
    pub(super) turn_from: MediaTime,
    /// What was heard before belongs to no turn any more.
    pub(super) settled: MediaTime,
    pub(super) dropped: u64,
    pub(super) last_window: MediaTime,
}

impl Past {
    pub(super) fn push(&mut self, now: Instant, frame: Frame, full: bool) {
        if full {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::warn!(frames = self.dropped, "the models cannot keep up: frames dropped");
            }
        }
        self.heard_at = Some((now, frame.end()));
        self.frames.push_back(frame);
        let keep = MediaTime::from_ms(TAIL_SECONDS as u64 * 1000);
        while self.frames.len() > 1
            && self
                .frames
                .back()
                .zip(self.frames.front())
                .is_some_and(|(b, f)| b.end().since(f.at()) > keep)
        {
            self.frames.pop_front();
        }
    }

    /// A turn begins, and began this long ago.
    pub(super) fn mark_turn(&mut self, ago: Duration) {
        let ago = MediaTime::from_ms(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
        self.turn_from = self.heard_to().since(ago).max(self.settled);
    }

    /// Where the sound ends.
    pub(super) fn heard_to(&self) -> MediaTime {
        self.heard_at.map_or(MediaTime::ZERO, |(_, end)| end)
    }

    /// The sound of the turn, as far as it is kept.
    pub(super) fn turn(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.at() >= self.turn_from)
    }

    /// The turn's last seconds. What was before it would only confuse: the model learned on turns
    /// with nothing before them.
    pub(super) fn tail(&self) -> Arc<[i16]> {
        let mut samples = Vec::with_capacity(TAIL_SECONDS * HZ);
        for frame in self.turn() {
            samples.extend_from_slice(frame.samples());
        }
        let skip = samples.len().saturating_sub(TAIL_SECONDS * HZ);
        samples.split_off(skip).into()
    }

    pub(super) fn instant_of(&self, media: MediaTime) -> Option<Instant> {
        let (now, end) = self.heard_at?;
        now.checked_sub(end.since(media).to_duration())
    }

    /// Loudness of the frame that ends at or just before `end`.
    pub(super) fn level_before(&self, end: MediaTime) -> f32 {
        let frame = self.frames.iter().rev().find(|f| f.end() <= end);
        frame.map_or(-100.0, |f| level::rms_dbfs(f.samples()))
    }
}
