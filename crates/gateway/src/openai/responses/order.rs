//! A request that has been read: what to ask the model, and what to tell of it.

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use trunkline_inference::{Chat, ChatModel};

use super::{
    item::Item,
    memory::{Memory, Turn},
    told::Narration,
};
use crate::{
    openai::{
        Named,
        reply::{self, Pieces},
    },
    refusal::Refusal,
    router::intake::Meter,
};

/// Where what was said before is looked up.
pub(super) struct Lookup<'a> {
    pub(super) memories: Vec<&'a Memory>,
    pub(super) owner: u64,
    pub(super) now: Instant,
}

impl Lookup<'_> {
    pub(super) fn item(&self, id: &str) -> Option<Item> {
        self.memories.iter().find_map(|memory| memory.item(self.now, self.owner, id))
    }

    /// Everything up to the end of the response of this id.
    pub(super) fn before(&self, id: &str) -> Result<Vec<Item>, Refusal> {
        let found = self.memories.iter().find_map(|memory| memory.turn(self.now, self.owner, id));
        let Some(turn) = found else {
            let message = format!("there is no response with the id '{id}'");
            return Err(Refusal::no_such_response(message));
        };
        if super::object::is_open(&turn.response) {
            let message = format!("the response '{id}' has not come to an end");
            return Err(Refusal::bad_param("previous_response_id", message));
        }
        let turn: &Arc<Turn> = &turn;
        Ok(turn.before.iter().chain(&turn.input).chain(&turn.output).cloned().collect())
    }
}

/// What to do.
pub(super) struct Order {
    pub(super) llm: Named<dyn ChatModel>,
    pub(super) chat: Chat,
    /// Whether only the first call of a function counts.
    pub(super) one_call: bool,
    /// The response without what is not known yet, and what led to it.
    pub(super) turn: Turn,
    /// Whether anything is to be said at all, rather than read ahead.
    pub(super) is_answered: bool,
    /// Where it is kept at its end.
    pub(super) keepers: Vec<Memory>,
}

impl Order {
    /// Whether the client wants it kept.
    pub(super) fn is_stored(&self) -> bool {
        self.turn.response["store"] == true
    }

    /// Has the model begin.
    pub(super) fn begin(self, meter: Meter) -> (Pieces, Narration) {
        let (llm, one_call) = (self.llm.model, self.one_call);
        let pieces = reply::all(vec![self.chat], move |chat| {
            let reply = llm.reply(chat);
            if one_call { reply::one_call(reply) } else { reply }
        });
        let pieces = reply::metered(pieces, meter);
        (pieces, Narration::new(self.turn, self.keepers, self.is_answered))
    }

    /// The response as it stands before the model begins.
    pub(super) fn response(&self) -> &Value {
        &self.turn.response
    }
}
