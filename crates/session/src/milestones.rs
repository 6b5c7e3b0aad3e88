//! The milestones between the caller's last sound and our first, and what they make of a turn's latency.

use std::time::Instant;

use crate::StageTimes;

/// When each thing on the critical path of one turn happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Milestones {
    pub(crate) speech_ended: Instant,
    pub(crate) words_asked: Instant,
    pub(crate) words_known: Instant,
    pub(crate) first_token: Instant,
    pub(crate) first_audio: Instant,
    pub(crate) released: Instant,
    pub(crate) sounded: Instant,
}

impl Milestones {
    /// The stage times. Work done ahead (before the caller stopped) counts nothing, so each milestone
    /// is at the earliest the one before it; the sum is always `sounded - speech_ended`.
    pub(crate) fn stages(&self) -> StageTimes {
        let asked = self.words_asked.max(self.speech_ended);
        let known = self.words_known.max(asked);
        let token = self.first_token.max(known);
        let audio = self.first_audio.max(token);
        let released = self.released.max(audio);
        let sounded = self.sounded.max(released);
        StageTimes {
            endpoint: (asked - self.speech_ended) + (released - audio),
            stt: known - asked,
            llm_first_token: token - known,
            tts_first_audio: audio - token,
            playout: sounded - released,
        }
    }
}

/// The recognizer's answer that a reply was made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) asked: Instant,
    pub(crate) known: Instant,
}

/// Questions to the recognizer that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    open: Vec<(u32, Instant)>,
    pub(crate) last: Option<Answer>,
}

impl Asked {
    pub(crate) fn ask(&mut self, ask: u32, now: Instant) {
        self.open.push((ask, now));
    }

    pub(crate) fn answered(&mut self, ask: u32, now: Instant) {
        if let Some(&(_, asked)) = self.open.iter().find(|(open, _)| *open == ask) {
            self.last = Some(Answer { asked, known: now });
        }
        self.open.retain(|(open, _)| *open > ask);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(base: Instant, ms: [u64; 7]) -> Milestones {
        let t = |i: usize| base + Duration::from_millis(ms[i]);
        Milestones {
            speech_ended: t(0),
            words_asked: t(1),
            words_known: t(2),
            first_token: t(3),
            first_audio: t(4),
            released: t(5),
            sounded: t(6),
        }
    }

    #[test]
    fn the_stages_add_up_to_the_total_in_whatever_order_things_happened() {
        let base = Instant::now();
        for ms in [
            [0, 100, 300, 500, 700, 600, 720],
            [0, 100, 300, 500, 700, 900, 920],
            [500, 100, 200, 300, 400, 900, 910],
            [0, 0, 0, 0, 0, 0, 0],
        ] {
            let stages = at(base, ms).stages();
            assert_eq!(stages.total(), Duration::from_millis(ms[6] - ms[0]), "{ms:?}");
        }
    }

    #[test]
    fn waiting_for_the_decision_after_the_audio_is_ready_counts_as_endpointing() {
        let stages = at(Instant::now(), [0, 100, 300, 400, 500, 800, 820]).stages();
        assert_eq!(stages.endpoint, Duration::from_millis(400));
        assert_eq!(stages.playout, Duration::from_millis(20));
    }
}
