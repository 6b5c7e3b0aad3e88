//! The timer table. Timers are not set and cancelled: which run, and until when, follows from what
//! is under way, so that none can be forgotten.

use std::time::{Duration, Instant};

use crate::{Conversation, IgnoreReason, Taking, caller_turn::CallerTurn, reply::Reply};

use super::floor::{Idling, State};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The leg's word on a cut.
    Cut,
    /// More than a breath of new speech over a prepared reply.
    Resumed,
    /// The end of the caller's patience with a pause.
    TurnEnd,
    /// More of a voice whose words are not believed.
    Doubt,
    /// The recognizer's answer.
    Words,
    /// The words of a sound over our reply, before it is held.
    OverlapWords,
    /// More of a sound over our reply that may have been a cough.
    Cough,
    /// The words of a sound that is over, while the reply is held.
    HeldReply,
    /// The end of a turn that does not end.
    TurnLimit,
    /// Progress of our reply.
    Reply,
    /// The recognizer's answer about a turn that was committed.
    Commit,
    /// Anything from anybody.
    Idle,
    /// Anything from a silent caller.
    Caller,
    /// The end of a call that does not end.
    CallLimit,
}

/// Timers fire one after the other; each changes what is under way. More in a row than this cannot
/// be useful.
const MOST_AT_ONCE: usize = 16;

impl Conversation {
    /// When the conversation must be told the time again. `None` before the call and after it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.floor.is_over {
            return None;
        }
        if let Some(end) = self.clock.held_until(self.config.limits.hold) {
            return Some(end);
        }
        self.timers().map(|(at, _)| self.clock.real(at)).min()
    }

    /// Does what is due.
    pub(super) fn fire_due(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            if self.floor.is_over {
                return;
            }
            if let Some(end) = self.clock.held_until(self.config.limits.hold) {
                if self.clock.has_passed(end) {
                    self.hang_up();
                }
                return;
            }
            let now = self.now();
            let due = self.timers().filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at);
            let Some((_, timer)) = due else { return };
            self.fire(timer);
        }
    }

    fn timers(&self) -> impl Iterator<Item = (Instant, Timer)> {
        let limits = &self.config.limits;
        let floor = &self.floor;
        let turn = floor.turn.as_ref();
        let reply = floor.reply.as_ref().filter(|reply| reply.is_released);
        let is_speaking = turn.is_some_and(CallerTurn::is_speaking);
        let is_held = reply.is_some_and(|reply| reply.held.is_some());
        let asked = turn.and_then(|turn| turn.words.asked);

        let cut = floor.cut.as_ref().map(|(_, since)| *since + limits.cut);
        let resumed = turn
            .filter(|_| is_speaking && floor.prepared().is_some())
            .map(|turn| turn.voice.noticed + limits.resumed_for_sure);
        let words = asked.map(|(_, at)| at + limits.recognizer);
        let turn_limit = turn
            .filter(|turn| is_speaking && !turn.is_too_long)
            .map(|turn| turn.voice.began + limits.turn);
        let stuck = reply.filter(|_| !is_held).map(|reply| self.stuck_at(reply));
        let quiet = floor.quiet_since.filter(|_| self.is_quiet());
        let idle = quiet
            .filter(|_| self.counts.idling == Idling::Spoken)
            .zip(self.config.silence.idle_after)
            .map(|(since, after)| since + after);
        let caller = quiet
            .filter(|_| !self.script.is_empty())
            .map(|since| since + self.config.silence.prompt_after);
        let call_limit =
            floor.answered.filter(|_| !floor.is_ending()).map(|since| since + limits.call);
        [
            (cut, Timer::Cut),
            (resumed, Timer::Resumed),
            (self.turn_ends_at(), Timer::TurnEnd),
            (self.doubt_ends_at(), Timer::Doubt),
            (words, Timer::Words),
            (self.hold_at(), Timer::OverlapWords),
            (self.cough_ends_at(), Timer::Cough),
            (self.go_on_at(), Timer::HeldReply),
            (turn_limit, Timer::TurnLimit),
            (stuck, Timer::Reply),
            (self.commit_late_at(), Timer::Commit),
            (idle, Timer::Idle),
            (caller, Timer::Caller),
            (call_limit, Timer::CallLimit),
        ]
        .into_iter()
        .filter_map(|(at, timer)| at.map(|at| (at, timer)))
    }

    /// Whether nobody speaks or is about to, so that silences count.
    fn is_quiet(&self) -> bool {
        self.state() == State::Listening
            && self.floor.cut.is_none()
            && self.commits.is_empty()
            && self.config.taking != Taking::Manual
    }

    /// When the newest reply counts as stuck: those before it are heard first.
    fn stuck_at(&self, reply: &Reply) -> Instant {
        let before: Duration = self.floor.under.iter().map(|reply| reply.clauses.unheard()).sum();
        reply.stuck_at(self.config.limits.reply) + before
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Cut => self.cut_late(),
            Timer::Resumed => self.drop_prepared(),
            Timer::TurnEnd => self.patience_over(),
            Timer::Doubt => self.give_up_doubted(),
            Timer::Words if self.state() == State::Overlap => self.words_late_over_reply(),
            Timer::Words => self.words_late(),
            Timer::OverlapWords => self.hold_reply(),
            Timer::Cough => self.cough_over(),
            Timer::HeldReply => self.go_on_replying(),
            Timer::TurnLimit => self.turn_too_long(),
            Timer::Reply => self.reply_stuck(),
            Timer::Commit => self.commit_late(),
            Timer::Idle => self.fell_idle(),
            Timer::Caller => self.caller_silent(self.config.silence.prompt_after),
            Timer::CallLimit => self.call_too_long(),
        }
    }

    /// The caller has spoken as long as a turn may last: it ends with what was said. Over a reply it
    /// was noise all along.
    fn turn_too_long(&mut self) {
        if self.state() == State::Overlap {
            self.ignore_sound(IgnoreReason::UnsureVoice, None);
            return self.go_on_replying();
        }
        if let Some(turn) = &mut self.floor.turn {
            turn.is_too_long = true;
        }
        self.ask_for_words();
    }
}
