//! What leaves a session's translator: events for the client, inputs for the session.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use trunkline_session::LegInput;

use super::{fault::Fault, ids::Ids};

/// Something that happens at one end because of the other.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The client is told.
    Send(Value),
    /// The session is told.
    Tell(LegInput),
    /// So many tokens were read and written.
    Spend(u32),
}

/// Effects in order, and the ids that they carry. Taken out after each input, so it stays short.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) ids: Ids,
    effects: VecDeque<Effect>,
}

impl Wire {
    pub(crate) fn new(ids: Ids) -> Self {
        Self { ids, effects: VecDeque::new() }
    }

    /// Tells the client: an event of this type with these fields, an object.
    pub(crate) fn send(&mut self, kind: &str, fields: Value) {
        let mut event = Map::new();
        event.insert("type".into(), kind.into());
        event.insert("event_id".into(), self.ids.next("event").into());
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        self.effects.push_back(Effect::Send(Value::Object(event)));
    }

    /// Tells the client what was wrong with its event of this id.
    pub(crate) fn fault(&mut self, fault: &Fault, event_id: Option<&str>) {
        self.send("error", json!({ "error": fault.json(event_id) }));
    }

    /// Tells the session.
    pub(crate) fn tell(&mut self, input: LegInput) {
        self.effects.push_back(Effect::Tell(input));
    }

    /// Counts what a response took against its key.
    pub(crate) fn spend(&mut self, tokens: u32) {
        self.effects.push_back(Effect::Spend(tokens));
    }

    pub(crate) fn pop(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}
