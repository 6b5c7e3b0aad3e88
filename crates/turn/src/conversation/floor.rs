//! The floor: who has it, and what is under way on either side.

use std::time::Instant;

use crate::{
    Ask, Command, Conversation, Event, Output, ReplyCause, ReplyId, Taking, TurnId,
    caller_turn::CallerTurn, reply::Reply,
};

use super::OUTPUTS;

/// Replies that are wholly made and wait at the leg under another. When full no further one is begun.
const UNDER: usize = 8;

/// What is under way. Which [`State`] the conversation is in follows from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Floor {
    /// When the call was answered.
    pub(super) answered: Option<Instant>,
    /// The caller's turn.
    pub(super) turn: Option<CallerTurn>,
    /// Our reply: prepared and held back, or let out.
    pub(super) reply: Option<Reply>,
    /// Replies before it that are wholly made and still being heard, oldest first.
    pub(super) under: Vec<Reply>,
    /// Stopped replies of which it is not yet known how much was heard, oldest first and at least
    /// one, and since when.
    pub(super) cut: Option<(Vec<Reply>, Instant)>,
    /// What is to be said when the line is clear for it.
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
    pub(super) idling: Idling,
}

/// Whether a silence may make us speak of our own accord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Idling {
    /// We have not spoken since the caller did.
    #[default]
    Unspoken,
    /// We have had the last word.
    Spoken,
    /// It did. Once is enough until the caller speaks.
    Done,
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
    /// Whether what is said, or about to be, is followed by hanging up.
    pub(super) fn is_ending(&self) -> bool {
        self.next.as_ref().is_some_and(crate::reply::is_last)
            || self.reply.as_ref().is_some_and(Reply::is_last)
    }

    /// The reply with this number, be it current or stopped.
    pub(super) fn reply_mut(&mut self, id: ReplyId) -> Option<&mut Reply> {
        let stopped = self.cut.as_mut().into_iter().flat_map(|(stopped, _)| stopped);
        let all = self.reply.as_mut().into_iter().chain(&mut self.under).chain(stopped);
        all.into_iter().find(|reply| reply.id == id)
    }

    /// The reply that is prepared and held back.
    pub(super) fn prepared(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|reply| !reply.is_released)
    }

    /// The reply that is let out.
    pub(super) fn released(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|reply| reply.is_released)
    }

    /// Whether another reply would have to wait until more of what was let out is made or heard.
    pub(super) fn is_line_taken(&self) -> bool {
        self.under.len() >= UNDER || self.released().is_some_and(|reply| !reply.is_made())
    }
}

impl Conversation {
    pub(super) fn state(&self) -> State {
        let floor = &self.floor;
        let is_replying = floor.released().is_some();
        match &floor.turn {
            _ if floor.is_over => State::Over,
            _ if floor.answered.is_none() => State::Ringing,
            Some(_) if is_replying && self.yields() => State::Overlap,
            Some(turn) if turn.is_speaking() => State::CallerSpeaking,
            Some(_) => State::Deciding,
            None if is_replying => State::Replying,
            None if floor.next.is_some() => State::Clearing,
            None => State::Listening,
        }
    }

    /// Whether a reply follows a turn by itself.
    pub(super) fn replies(&self) -> bool {
        matches!(self.config.taking, Taking::Automatic { replies: true, .. })
    }

    /// Whether a reply stops when the caller interrupts it.
    pub(super) fn yields(&self) -> bool {
        matches!(self.config.taking, Taking::Automatic { yields: true, .. })
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
