//! The events of a response, each with its number.

use std::time::Instant;

use futures::StreamExt;
use serde_json::{Value, json};
use trunkline_inference::{FinishReason, ModelError, ReplyPiece, Role, TokenLogprobs, ToolCall};

use super::{
    item::{Item, text_part},
    memory::{Memory, Turn},
    object,
};
use crate::{
    openai::{
        history::Entry,
        logprobs,
        reply::{Pieces, Tally, Teller},
        stamp,
    },
    refusal::Refusal,
};

/// Tells a response as it is made, and has it kept at its end.
pub(super) struct Narration {
    turn: Turn,
    keepers: Vec<Memory>,
    /// Whether what was only read ahead counts as complete.
    is_answered: bool,
    number: u64,
    has_begun: bool,
    /// What has been said, whole.
    output: Vec<Value>,
    open: Option<Open>,
    ending: (Tally, FinishReason),
}

/// The text that is being said.
struct Open {
    id: String,
    text: String,
    tokens: Vec<TokenLogprobs>,
    /// Those of the text to come.
    ahead: Vec<TokenLogprobs>,
}

impl Narration {
    pub(super) fn new(turn: Turn, keepers: Vec<Memory>, is_answered: bool) -> Self {
        let ending = (Tally::default(), FinishReason::Stop);
        let (number, has_begun, output, open) = (0, false, Vec::new(), None);
        Self { turn, keepers, is_answered, number, has_begun, output, open, ending }
    }

    /// The whole response at once.
    pub(super) async fn whole(mut self, mut pieces: Pieces) -> Result<Value, Refusal> {
        while let Some((_, piece)) = pieces.next().await {
            match piece {
                Ok(piece) => drop(self.tell(0, piece)),
                Err(error) => {
                    drop(self.broken(error.clone()));
                    return Err(error.into());
                }
            }
        }
        self.end();
        Ok(self.turn.response)
    }

    /// The items that were said.
    pub(super) fn into_ended(self) -> (Value, Vec<Item>) {
        (self.turn.response, self.turn.output)
    }

    fn event(&mut self, kind: &str, rest: Value) -> Value {
        let mut event = json!({ "type": kind, "sequence_number": self.number });
        self.number += 1;
        if let (Value::Object(event), Value::Object(rest)) = (&mut event, rest) {
            event.extend(rest);
        }
        event
    }

    fn begin(&mut self) -> Vec<Value> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Vec::new();
        }
        ["response.created", "response.in_progress"]
            .map(|kind| self.event(kind, json!({ "response": self.turn.response })))
            .into()
    }

    fn text(&mut self, text: &str) -> Vec<Value> {
        let mut events = self.begin();
        let place = self.output.len();
        if self.open.as_ref().is_none_or(|open| open.id.is_empty()) {
            let id = stamp::id("msg_");
            events.push(self.event(
                "response.output_item.added",
                json!({ "output_index": place, "item": message(&id, "in_progress", &[]) }),
            ));
            let part = text_part("", &json!([]));
            events.push(self.event(
                "response.content_part.added",
                json!({ "item_id": id, "output_index": place, "content_index": 0, "part": part }),
            ));
            self.opened().id = id;
        }
        let open = self.opened();
        open.text.push_str(text);
        let ahead = std::mem::take(&mut open.ahead);
        let delta = json!({
            "item_id": open.id, "output_index": place, "content_index": 0, "delta": text,
            "logprobs": logprobs::list(&ahead),
        });
        open.tokens.extend(ahead);
        events.push(self.event("response.output_text.delta", delta));
        events
    }

    fn opened(&mut self) -> &mut Open {
        self.open.get_or_insert_with(|| Open {
            id: String::new(),
            text: String::new(),
            tokens: Vec::new(),
            ahead: Vec::new(),
        })
    }

    /// The text that is being said has come to an end.
    fn close(&mut self, status: &str) -> Vec<Value> {
        let Some(mut open) = self.open.take().filter(|open| !open.id.is_empty()) else {
            return Vec::new();
        };
        open.tokens.append(&mut open.ahead);
        let (id, place) = (open.id, self.output.len());
        let tokens = logprobs::list(&open.tokens);
        let part = text_part(&open.text, &tokens);
        let item = message(&id, status, std::slice::from_ref(&part));
        let events = [
            (
                "response.output_text.done",
                json!({
                    "item_id": id, "output_index": place, "content_index": 0, "text": open.text,
                    "logprobs": tokens,
                }),
            ),
            (
                "response.content_part.done",
                json!({ "item_id": id, "output_index": place, "content_index": 0, "part": part }),
            ),
            ("response.output_item.done", json!({ "output_index": place, "item": item })),
        ];
        self.output.push(item);
        self.turn.output.push(Item { id, entry: Entry::said(Role::Assistant, open.text) });
        events.map(|(kind, event)| self.event(kind, event)).into()
    }

    fn call(&mut self, call: ToolCall) -> Vec<Value> {
        let mut events = self.begin();
        events.extend(self.close("completed"));
        let place = self.output.len();
        let arguments = call.arguments.clone();
        let item = Item::new(Entry::Called { id: stamp::id("call_"), call });
        let (id, whole) = (item.id.clone(), item.told());
        let mut empty = whole.clone();
        empty["status"] = json!("in_progress");
        empty["arguments"] = json!("");
        let told = [
            ("response.output_item.added", json!({ "output_index": place, "item": empty })),
            (
                "response.function_call_arguments.delta",
                json!({ "item_id": id, "output_index": place, "delta": arguments }),
            ),
            (
                "response.function_call_arguments.done",
                json!({
                    "item_id": id, "output_index": place, "name": whole["name"],
                    "arguments": arguments,
                }),
            ),
            ("response.output_item.done", json!({ "output_index": place, "item": whole })),
        ];
        self.output.push(whole);
        self.turn.output.push(item);
        events.extend(told.map(|(kind, event)| self.event(kind, event)));
        events
    }

    /// The model has failed.
    fn broken(&mut self, error: ModelError) -> Vec<Value> {
        let mut events = self.begin();
        events.extend(self.close("incomplete"));
        let response = std::mem::take(&mut self.turn.response);
        self.turn.response = object::failed(response, &self.output, error);
        events.push(self.event("response.failed", json!({ "response": self.turn.response })));
        self.keep();
        events
    }

    fn keep(&self) {
        for memory in &self.keepers {
            memory.keep(Instant::now(), self.turn.clone());
        }
    }
}

impl Teller for Narration {
    fn tell(&mut self, _: usize, piece: ReplyPiece) -> Vec<Value> {
        match piece {
            ReplyPiece::Text(text) => self.text(&text),
            ReplyPiece::ToolCall(call) => self.call(call),
            ReplyPiece::Logprobs(tokens) => {
                self.opened().ahead.extend(tokens);
                Vec::new()
            }
            ReplyPiece::Usage { prompt, cached, generated, finish } => {
                let finish = if self.is_answered { finish } else { FinishReason::Stop };
                self.ending = (Tally { prompt, cached, generated }, finish);
                Vec::new()
            }
        }
    }

    fn end(&mut self) -> Vec<Value> {
        let (tally, finish) = self.ending;
        let (status, kind) = match finish {
            FinishReason::Length => ("incomplete", "response.incomplete"),
            FinishReason::Stop | FinishReason::ToolCalls => ("completed", "response.completed"),
        };
        let mut events = self.begin();
        events.extend(self.close(status));
        let response = std::mem::take(&mut self.turn.response);
        self.turn.response = object::ended(response, &self.output, tally, finish);
        events.push(self.event(kind, json!({ "response": self.turn.response })));
        self.keep();
        events
    }

    fn fail(&mut self, error: ModelError) -> Result<Vec<Value>, Refusal> {
        Ok(self.broken(error))
    }
}

fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({
        "id": id, "type": "message", "status": status, "role": "assistant", "content": content,
    })
}
