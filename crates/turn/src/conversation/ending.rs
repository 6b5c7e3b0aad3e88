//! Silence, failures, hold and the end of the call.

use std::time::Duration;

use crate::{
    Command, Conversation, Decision, Digit, Event, OnFailure, ReplyCause, ReplyId, reply::Reply,
};

use super::floor::{Idling, State};

impl Conversation {
    /// The caller has been silent for long enough to be asked, or for the last time.
    pub(super) fn caller_silent(&mut self, silence: Duration) {
        self.tell(Event::FellSilent { silence });
        let prompt = self.script.silence_prompts.get(self.counts.prompts).cloned();
        self.counts.prompts += 1;
        match prompt {
            Some(text) => self.say(ReplyCause::Silence(text)),
            None => self.say_farewell(),
        }
    }

    /// Nobody has spoken for so long that we do, of our own accord.
    pub(super) fn fell_idle(&mut self) {
        let Some(since) = self.floor.quiet_since else { return };
        self.counts.idling = Idling::Done;
        let (from, to) = (self.clock.real(since), self.clock.real(self.now()));
        self.tell(Event::FellIdle { from, to });
        self.say(ReplyCause::Idle);
    }

    /// The recognizer failed. Over a reply nothing is lost yet; otherwise the caller is asked to say
    /// it again, and at the last failure we apologize.
    pub(super) fn hearing_failed(&mut self, reason: String) {
        if self.floor.is_ending() || self.floor.answered.is_none() {
            return;
        }
        self.counts.hearing_failures += 1;
        match self.state() {
            State::Overlap => {
                self.forget_turn();
                self.go_on_replying();
            }
            State::Listening | State::CallerSpeaking | State::Deciding if self.goes_on() => {
                self.lose_turn(reason);
            }
            State::Listening | State::CallerSpeaking | State::Deciding => {
                self.forget_turn();
                if self.counts.hearing_failures >= self.config.silence.hearing_failures {
                    self.apologize();
                } else {
                    self.say(ReplyCause::Silence(self.script.repeat.clone()));
                }
            }
            State::Ringing | State::Clearing | State::Replying | State::Over => {}
        }
    }

    /// Nothing will be heard any more: a call in which only one side is heard is ended at once, unless
    /// a program at the caller's end can go on in writing.
    pub(super) fn hearing_lost(&mut self, reason: String) {
        if self.floor.is_ending() || self.floor.answered.is_none() {
            return;
        }
        if self.goes_on() {
            self.forget_turn();
            self.go_on_replying();
            self.tell(Event::TurnFailed { reason });
        } else {
            self.forget_turn();
            self.stop_reply();
            self.apologize();
        }
    }

    /// Something of ours failed for good: a spoken apology and a polite end, unless the call goes on.
    pub(super) fn apologize(&mut self) {
        if self.goes_on() {
            self.floor.quiet_since = Some(self.now());
            return;
        }
        self.say(ReplyCause::Apology(self.script.apology.clone()));
    }

    /// Whether the call outlives a failure.
    pub(super) fn goes_on(&self) -> bool {
        self.config.on_failure == OnFailure::GoOn
    }

    /// The words of the turn are lost, if there was one.
    fn lose_turn(&mut self, reason: String) {
        if self.floor.turn.is_some() {
            self.forget_turn();
            self.tell(Event::TurnFailed { reason });
        }
    }

    pub(super) fn say_farewell(&mut self) {
        self.say(ReplyCause::Farewell(self.script.farewell.clone()));
    }

    /// The call has lasted as long as a call may.
    pub(super) fn call_too_long(&mut self) {
        self.forget_turn();
        self.stop_reply();
        self.say_farewell();
    }

    /// A reply does not come forward: it is given up, and somebody gets the floor.
    pub(super) fn reply_stuck(&mut self) {
        let now = self.now();
        let Some(reply) = &self.floor.reply else { return };
        let (id, is_last, is_failed) = (reply.id, reply.is_last(), reply.failure.is_some());
        let stuck = now.saturating_duration_since(reply.progressed);
        self.tell(Event::Decided(Decision::FloorRecovered { stuck }));
        if !is_failed {
            let reason = format!("no progress for {} ms", stuck.as_millis());
            self.tell(Event::ReplyFailed { reply: id, reason });
        }
        if !self.goes_on() {
            self.forget_turn();
        }
        self.stop_reply();
        if is_last {
            self.hang_up();
        } else {
            self.apologize();
            self.overlap_outlived_reply();
        }
    }

    pub(super) fn pressed(&mut self, digit: Digit) {
        self.tell(Event::Pressed(digit));
        if self.floor.quiet_since.is_some() {
            self.floor.quiet_since = Some(self.now());
        }
    }

    /// The line goes on hold: time stands still, and so does our reply. A caller who was speaking
    /// has stopped.
    pub(super) fn call_held(&mut self) {
        if self.clock.is_held() || self.floor.answered.is_none() {
            return;
        }
        self.speech_stopped(self.now());
        self.clock.hold();
        if let Some(reply) = self.audible_reply() {
            self.order(Command::PauseReply { reply });
        }
    }

    pub(super) fn call_resumed(&mut self) {
        if self.clock.is_held() {
            self.clock.go_on();
            if let Some(reply) = self.audible_reply() {
                self.order(Command::ResumeReply { reply });
            }
        }
    }

    /// The caller's end is gone: what was heard is recorded, and that is all.
    pub(super) fn gone(&mut self) {
        let stopped = self.floor.cut.take().map(|(stopped, _)| stopped).unwrap_or_default();
        let under = std::mem::take(&mut self.floor.under);
        for reply in stopped.into_iter().chain(under).chain(self.floor.reply.take()) {
            if reply.is_released {
                self.close_reply(&reply, reply.clauses.heard_text());
            }
        }
        self.floor.is_over = true;
    }

    /// The reply that is let out and not held for a sound of the caller.
    fn audible_reply(&self) -> Option<ReplyId> {
        let is_audible = |reply: &&Reply| reply.is_released && reply.held.is_none();
        self.floor.reply.as_ref().filter(is_audible).map(|reply| reply.id)
    }

    /// Ends the call.
    pub(super) fn hang_up(&mut self) {
        self.gone();
        self.order(Command::HangUp);
    }
}
