//! What was said by the caller, what the caller heard of ours, and what was put between.

use std::{collections::VecDeque, time::Duration};

use crate::{ItemKey, Place, ReplyId, TurnId, clauses::Clauses};

/// Replies whose words can still be cut down after they are over. The oldest is forgotten: it stays
/// as it was heard.
const PAST_REPLIES: usize = 32;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The caller's words.
    Caller(String),
    /// What the caller heard of a reply; `whole` when that was all of it.
    Agent { text: String, whole: bool },
    /// A function that a reply wanted called, by its place in the reply.
    Called { reply: ReplyId, index: u32 },
    /// What a program at the caller's end put in, by its number.
    Placed(u64),
}

/// What was said and heard, oldest first. A running reply stands in it with what has been heard so
/// far; what was generated and not heard never does, but for a reply that is heard to its end
/// before the next one, which is already being made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    items: Vec<(ItemKey, Said)>,
    /// The clauses of the last replies that are over.
    past: VecDeque<(ReplyId, Clauses)>,
}

impl Transcript {
    /// The messages, oldest first: what the caller said in a row is one, and what was not heard none.
    pub fn messages(&self) -> Vec<Said> {
        let mut messages: Vec<Said> = Vec::with_capacity(self.items.len());
        for (_, said) in &self.items {
            match (messages.last_mut(), said) {
                (_, Said::Caller(text) | Said::Agent { text, .. }) if text.is_empty() => {}
                (Some(Said::Caller(before)), Said::Caller(text)) => {
                    before.push(' ');
                    before.push_str(text);
                }
                (_, said) => messages.push(said.clone()),
            }
        }
        messages
    }

    /// Whether there is such an item, if only an empty one.
    pub fn has(&self, key: ItemKey) -> bool {
        self.place_of(key).is_some()
    }

    /// Adds what the caller said.
    pub(crate) fn caller_said(&mut self, turn: TurnId, text: &str) {
        self.items.push((ItemKey::Turn(turn), Said::Caller(text.to_owned())));
    }

    /// Gives a reply its place, before anything of it was heard.
    pub(crate) fn reply_begins(&mut self, reply: ReplyId) {
        let said = Said::Agent { text: String::new(), whole: false };
        self.items.push((ItemKey::Reply(reply), said));
    }

    /// Sets what the caller has heard of a reply that has its place.
    pub(crate) fn agent_heard(&mut self, reply: ReplyId, text: String, whole: bool) {
        let key = ItemKey::Reply(reply);
        if let Some((_, said)) = self.items.iter_mut().rev().find(|(item, _)| *item == key) {
            *said = Said::Agent { text, whole };
        }
    }

    /// Adds a function that a reply wants called.
    pub(crate) fn tool_called(&mut self, reply: ReplyId, index: u32) {
        self.items.push((ItemKey::Call(reply, index), Said::Called { reply, index }));
    }

    /// Puts an item in. False when what it is to stand behind is not there, or there is one of this
    /// number.
    pub(crate) fn place(&mut self, item: u64, place: Place) -> bool {
        let key = ItemKey::Placed(item);
        let at = match place {
            Place::First => Some(0),
            Place::Behind(before) => self.place_of(before).map(|at| at + 1),
            Place::Last => Some(self.items.len()),
        };
        let Some(at) = at.filter(|_| !self.has(key)) else { return false };
        self.items.insert(at, (key, Said::Placed(item)));
        true
    }

    /// Takes an item out. False when there is none.
    pub(crate) fn remove(&mut self, key: ItemKey) -> bool {
        let place = self.place_of(key);
        place.map(|at| self.items.remove(at)).is_some()
    }

    /// Remembers the clauses of a reply that is over.
    pub(crate) fn keep(&mut self, reply: ReplyId, clauses: Clauses) {
        if self.past.len() == PAST_REPLIES {
            self.past.pop_front();
        }
        self.past.push_back((reply, clauses));
    }

    /// Cuts a reply that is over down to the words that end by `heard`. Longer it does not become.
    pub(crate) fn truncate(&mut self, reply: ReplyId, heard: Duration) {
        let Some((_, clauses)) = self.past.iter_mut().find(|(id, _)| *id == reply) else { return };
        clauses.truncate(heard);
        let most = clauses.all_text();
        let key = ItemKey::Reply(reply);
        let item = self.items.iter_mut().find(|(item, _)| *item == key);
        if let Some((_, Said::Agent { text, whole })) = item
            && most.len() < text.len()
        {
            *text = most;
            *whole = false;
        }
    }

    fn place_of(&self, key: ItemKey) -> Option<usize> {
        self.items.iter().rposition(|(item, _)| *item == key)
    }
}

#[cfg(test)]
mod tests;
