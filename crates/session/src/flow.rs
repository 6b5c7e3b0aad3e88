//! Whether the caller is kept supplied with a reply's sound. Pure.

use std::time::{Duration, Instant};

use trunkline_turn::ReplyId;

/// Sound that comes no later than this after the last was played leaves with the same beat of the leg, or
/// was held back by its resampler.
const UNHEARD: Duration = Duration::from_millis(40);

/// What has been given to the leg, and until when it lasts.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// The reply being played, and when all that was given of it will have left.
    playing: Option<(ReplyId, Instant)>,
}

impl Flow {
    /// Takes note of sound given to the leg; for how long there was nothing to play before it, in the
    /// middle of the reply.
    pub(crate) fn feed(
        &mut self,
        now: Instant,
        reply: ReplyId,
        sound: Duration,
    ) -> Option<Duration> {
        let until = match self.playing {
            Some((playing, until)) if playing == reply => until,
            Some(_) | None => now,
        };
        self.playing = Some((reply, until.max(now) + sound));
        let gap = now.saturating_duration_since(until);
        (gap > UNHEARD).then_some(gap)
    }

    /// What was given is thrown away or held back: what comes next begins anew.
    pub(crate) fn stop(&mut self) {
        self.playing = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn sound_that_comes_too_late_within_a_reply_is_a_gap() {
        let (mut flow, base) = (Flow::default(), Instant::now());
        let one = ReplyId(1);
        assert_eq!(flow.feed(base, one, MS(100)), None);
        assert_eq!(flow.feed(base + MS(90), one, MS(100)), None);
        assert_eq!(flow.feed(base + MS(230), one, MS(100)), None, "within a beat of the leg");
        assert_eq!(flow.feed(base + MS(530), one, MS(100)), Some(MS(200)));
        assert_eq!(flow.feed(base + MS(540), one, MS(100)), None, "counted once");
    }

    #[test]
    fn between_replies_and_after_a_stop_there_is_no_gap() {
        let (mut flow, base) = (Flow::default(), Instant::now());
        flow.feed(base, ReplyId(1), MS(100));
        assert_eq!(flow.feed(base + MS(900), ReplyId(2), MS(100)), None);
        flow.stop();
        assert_eq!(flow.feed(base + MS(5000), ReplyId(2), MS(100)), None);
    }
}
