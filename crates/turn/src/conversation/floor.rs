//! The floor: who has it, and what is under way on either side.

use std::time::Instant;

use crate::{
    Ask, Command, Conversation, Event, Output, ReplyCause, ReplyId, TurnId,
    caller_turn::CallerTurn, reply::Reply,
};

use super::OUTPUTS;

/// What is under way. Which [`State`] the conversation is in follows from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Floor {
    /// When the call was answered.
    pub(super) answered: Option<Instant>,
    /// The caller's turn.
    pub(super) turn: Option<CallerTurn>,
    /// Our reply: prepared and held back, or let out.
    pub(super) reply: Option<Reply>,
    /// A stopped reply of which it is not yet known how much was heard, and since when.
    pub(super) cut: Option<(Reply, Instant)>,
    /// What is to be said when that is known.
    pub(super) next: Option<ReplyCause>,
    /// Since when nobody has spoken.
    pub(super) quiet_since: Option<Instant>,
    pub(super) is_over: bool,
}

/// Where a call stands, in the order of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not answered.
    Ringing,
    /// Nobody speaks and nothing is prepared.
    Listening,
    /// The caller speaks.
    CallerSpeaking,
    /// The caller has stopped: is the turn over?
    Deciding,
    /// We are about to speak; a stopped reply is being cleared away first.
    Clearing,
    /// We speak, or make what was let out to be spoken.
    Replying,
    /// We speak and the caller made a sound.
    Overlap,
    /// Hung up.
    Over,
}

/// What has been numbered and counted in this call.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    turns: u32,
    replies: u32,
    asks: u32,
    /// Silence prompts said since the caller's last turn.
    pub(super) prompts: usize,
    /// Failures of the recognizer since the caller's last turn.
    pub(super) hearing_failures: u32,
}

impl Counts {
    pub(super) fn next_turn(&mut self) -> TurnId {
        self.turns += 1;
        TurnId(self.turns)
    }

    pub(super) fn next_reply(&mut self) -> ReplyId {
        self.replies += 1;
        ReplyId(self.replies)
    }

    pub(super) fn next_ask(&mut self) -> Ask {
        self.asks += 1;
        Ask(self.asks)
    }
}

impl Floor {
    pub(super) fn state(&self) -> State {
        let is_replying = self.reply.as_ref().is_some_and(|reply| reply.is_released);
        match &self.turn {
            _ if self.is_over => State::Over,
            _ if self.answered.is_none() => State::Ringing,
            Some(_) if is_replying => State::Overlap,
            Some(turn) if turn.is_speaking() => State::CallerSpeaking,
            Some(_) => State::Deciding,
            None if self.next.is_some() => State::Clearing,
            None if is_replying => State::Replying,
            None => State::Listening,
        }
    }

    /// Whether what is said, or about to be, is followed by hanging up.
    pub(super) fn is_ending(&self) -> bool {
        self.next.as_ref().is_some_and(crate::reply::is_last)
            || self.reply.as_ref().is_some_and(Reply::is_last)
    }

    /// The reply with this number, be it current or stopped.
    pub(super) fn reply_mut(&mut self, id: ReplyId) -> Option<&mut Reply> {
        let stopped = self.cut.as_mut().map(|(reply, _)| reply);
        self.reply.as_mut().into_iter().chain(stopped).find(|reply| reply.id == id)
    }

    /// The reply that is prepared and held back.
    pub(super) fn prepared(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|reply| !reply.is_released)
    }
}

impl Conversation {
    pub(super) fn state(&self) -> State {
        self.floor.state()
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now().expect("an input, which sets the clock, is being handled")
    }

    pub(super) fn order(&mut self, command: Command) {
        self.put(Output::Command(command));
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    fn put(&mut self, output: Output) {
        if self.outputs.len() < OUTPUTS {
            self.outputs.push_back(output);
        } else {
            self.floor.is_over = true;
        }
    }
}
