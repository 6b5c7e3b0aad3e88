//! One response: the events of a reply of the session, in the order in which clients expect them.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_inference::{FinishReason, ToolCall};
use trunkline_session::{Ending, ItemKey, Modality, Usage, leg::ReplyId};

use super::{
    items::{Item, Items, Place},
    wire::Wire,
};

/// What was asked of a response, as it is shown again.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) metadata: Value,
    pub(crate) modality: Modality,
    pub(crate) max_output_tokens: Value,
    /// `{"output":{"format","voice"}}`.
    pub(crate) audio: Value,
    /// `None` for a response beside the conversation.
    pub(crate) conversation: Option<String>,
}

/// A response under way or done.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) id: String,
    pub(crate) reply: ReplyId,
    pub(crate) shape: Shape,
    pub(crate) is_done: bool,
    /// Its items as they are shown.
    output: Vec<Value>,
    message: Option<Message>,
}

/// The message that is being said or written.
#[derive(Debug)]
struct Message {
    item_id: String,
    index: usize,
    modality: Modality,
    text: String,
}

/// Why a response is done.
#[derive(Debug)]
pub(crate) enum Status {
    /// It is whole.
    Completed,
    /// It was stopped.
    Cancelled(&'static str),
    /// It is as long as it may be.
    Incomplete,
    /// A model failed.
    Failed,
}

impl Status {
    /// `status` and `status_details`.
    fn shown(&self) -> (&'static str, Value) {
        match self {
            Self::Completed => ("completed", Value::Null),
            Self::Cancelled(reason) => {
                ("cancelled", json!({ "type": "cancelled", "reason": reason }))
            }
            Self::Incomplete => {
                ("incomplete", json!({ "type": "incomplete", "reason": "max_output_tokens" }))
            }
            Self::Failed => {
                let message = "a model failed; the server's log says why";
                let error =
                    json!({ "type": "server_error", "code": "model_failed", "message": message });
                ("failed", json!({ "type": "failed", "error": error }))
            }
        }
    }
}

impl Shape {
    fn response(&self, id: &str, status: &str, output: &[Value], usage: Option<&Value>) -> Value {
        let modality = match self.modality {
            Modality::Audio => "audio",
            Modality::Text => "text",
        };
        json!({
            "object": "realtime.response", "id": id, "status": status,
            "status_details": null, "output": output,
            "conversation_id": self.conversation, "output_modalities": [modality],
            "max_output_tokens": self.max_output_tokens, "audio": self.audio,
            "usage": usage, "metadata": self.metadata,
        })
    }
}

impl Response {
    /// `response.created`, of a response that has yet to begin; its id.
    pub(crate) fn announce(shape: &Shape, wire: &mut Wire) -> String {
        let id = wire.ids.next("resp");
        let response = shape.response(&id, "in_progress", &[], None);
        wire.send("response.created", json!({ "response": response }));
        id
    }

    /// The end of a response that was announced and never began.
    pub(crate) fn never_began(id: &str, shape: &Shape, status: &Status, wire: &mut Wire) {
        let (name, details) = status.shown();
        let mut response = shape.response(id, name, &[], None);
        response["status_details"] = details;
        wire.send("response.done", json!({ "response": response }));
    }

    /// The reply begins of which the client was told by this id.
    pub(crate) fn begin(reply: ReplyId, id: String, shape: Shape) -> Self {
        Self { id, reply, shape, is_done: false, output: Vec::new(), message: None }
    }

    /// More of its sound, base64.
    pub(crate) fn sound(&mut self, delta: &str, items: &mut Items, wire: &mut Wire) {
        let place = self.open(Modality::Audio, items, wire);
        wire.send("response.output_audio.delta", with(place, &json!({ "delta": delta })));
    }

    /// The words of sound that went out.
    pub(crate) fn spoke(
        &mut self,
        text: &str,
        duration: Duration,
        items: &mut Items,
        wire: &mut Wire,
    ) {
        let place = self.open(Modality::Audio, items, wire);
        if let Some(message) = &mut self.message {
            message.text.push_str(text);
        }
        if let Some(item) = items.by_key(ItemKey::Reply(self.reply)) {
            item.spoken.push((text.to_owned(), duration));
        }
        let fields = with(place, &json!({ "delta": text }));
        wire.send("response.output_audio_transcript.delta", fields);
    }

    /// More written text.
    pub(crate) fn wrote(&mut self, text: &str, items: &mut Items, wire: &mut Wire) {
        let place = self.open(Modality::Text, items, wire);
        if let Some(message) = &mut self.message {
            message.text.push_str(text);
        }
        wire.send("response.output_text.delta", with(place, &json!({ "delta": text })));
    }

    /// A function that it wants called.
    pub(crate) fn called(
        &mut self,
        number: u32,
        call: &ToolCall,
        items: &mut Items,
        wire: &mut Wire,
    ) {
        let (item_id, call_id) = (wire.ids.next("item"), wire.ids.next("call"));
        let index = self.output.len();
        let item = |status: &str, arguments: &str| {
            json!({
                "id": item_id, "object": "realtime.item", "type": "function_call",
                "status": status, "name": call.name, "call_id": call_id, "arguments": arguments,
            })
        };
        let key = ItemKey::Call(self.reply, number);
        self.add_item(key, item("in_progress", ""), items, wire);
        let place = json!({
            "response_id": self.id, "item_id": item_id, "output_index": index, "call_id": call_id,
        });
        let delta = with(place.clone(), &json!({ "delta": call.arguments }));
        wire.send("response.function_call_arguments.delta", delta);
        let done = json!({ "name": call.name, "arguments": call.arguments });
        wire.send("response.function_call_arguments.done", with(place, &done));
        self.finish_item(index, item("completed", &call.arguments), items, wire);
    }

    /// All of it was made: the rest of its events.
    pub(crate) fn made(&mut self, usage: Usage, items: &mut Items, wire: &mut Wire) {
        let status = match usage.finish {
            FinishReason::Length => Status::Incomplete,
            FinishReason::Stop | FinishReason::ToolCalls => Status::Completed,
        };
        self.done(&status, usage, items, wire);
    }

    /// It ended early: the rest of its events.
    pub(crate) fn ended(
        &mut self,
        ending: &Ending,
        usage: Usage,
        items: &mut Items,
        wire: &mut Wire,
    ) {
        let status = match ending {
            Ending::Interrupted => Status::Cancelled("turn_detected"),
            Ending::Cancelled => Status::Cancelled("client_cancelled"),
            Ending::Failed(_) => Status::Failed,
        };
        self.done(&status, usage, items, wire);
    }

    fn done(&mut self, status: &Status, usage: Usage, items: &mut Items, wire: &mut Wire) {
        if self.is_done {
            return;
        }
        self.is_done = true;
        let (name, details) = status.shown();
        let item_status = if matches!(status, Status::Completed) { name } else { "incomplete" };
        self.close(item_status, items, wire);
        let usage_shown = usage_json(usage);
        let mut response = self.shape.response(&self.id, name, &self.output, Some(&usage_shown));
        response["status_details"] = details;
        wire.send("response.done", json!({ "response": response }));
        wire.spend(usage.prompt.saturating_add(usage.generated));
    }

    /// Begins the message where it has not begun; where it is.
    fn open(&mut self, modality: Modality, items: &mut Items, wire: &mut Wire) -> Value {
        if self.message.is_none() {
            let item_id = wire.ids.next("item");
            let index = self.output.len();
            let item = message(&item_id, "in_progress", &json!([]));
            self.add_item(ItemKey::Reply(self.reply), item, items, wire);
            let opened = Message { item_id, index, modality, text: String::new() };
            let fields = with(self.place(&opened), &json!({ "part": opened.part() }));
            wire.send("response.content_part.added", fields);
            self.message = Some(opened);
        }
        self.message.as_ref().map(|message| self.place(message)).unwrap_or_default()
    }

    /// Ends the message, where one is open.
    fn close(&mut self, status: &str, items: &mut Items, wire: &mut Wire) {
        let Some(message) = self.message.take() else { return };
        let place = self.place(&message);
        let text = &message.text;
        let content = match message.modality {
            Modality::Audio => {
                wire.send("response.output_audio.done", place.clone());
                let fields = with(place.clone(), &json!({ "transcript": text }));
                wire.send("response.output_audio_transcript.done", fields);
                json!({ "type": "output_audio", "transcript": text })
            }
            Modality::Text => {
                let fields = with(place.clone(), &json!({ "text": text }));
                wire.send("response.output_text.done", fields);
                json!({ "type": "output_text", "text": text })
            }
        };
        let part = json!({ "part": message.part() });
        wire.send("response.content_part.done", with(place, &part));
        let item = self::message(&message.item_id, status, &json!([content]));
        self.finish_item(message.index, item, items, wire);
    }

    fn add_item(&mut self, key: ItemKey, json: Value, items: &mut Items, wire: &mut Wire) {
        let index = self.output.len();
        let fields = json!({ "response_id": self.id, "output_index": index, "item": json });
        wire.send("response.output_item.added", fields);
        if self.shape.conversation.is_some() {
            let id = json["id"].as_str().unwrap_or_default().to_owned();
            let item = Item::new(id, Some(key), json.clone());
            let previous = items.insert(item, &Place::End);
            let fields = json!({ "previous_item_id": previous, "item": json });
            wire.send("conversation.item.added", fields);
        }
        self.output.push(json);
    }

    fn finish_item(&mut self, index: usize, json: Value, items: &mut Items, wire: &mut Wire) {
        let id = json["id"].as_str().unwrap_or_default();
        // An item that its client deleted meanwhile is not told again.
        if let Some(item) = items.get_mut(id) {
            item.json = json.clone();
            let previous = items.before(id);
            let fields = json!({ "previous_item_id": previous, "item": json });
            wire.send("conversation.item.done", fields);
        }
        let fields = json!({ "response_id": self.id, "output_index": index, "item": json });
        wire.send("response.output_item.done", fields);
        if let Some(shown) = self.output.get_mut(index) {
            *shown = json;
        }
    }

    fn place(&self, message: &Message) -> Value {
        json!({
            "response_id": self.id, "item_id": message.item_id, "output_index": message.index,
            "content_index": 0,
        })
    }
}

impl Message {
    /// As `response.content_part` events show it.
    fn part(&self) -> Value {
        match self.modality {
            Modality::Audio => json!({ "type": "audio", "transcript": self.text }),
            Modality::Text => json!({ "type": "text", "text": self.text }),
        }
    }
}

fn message(id: &str, status: &str, content: &Value) -> Value {
    json!({
        "id": id, "object": "realtime.item", "type": "message", "status": status,
        "role": "assistant", "content": content,
    })
}

/// The fields of both.
fn with(mut place: Value, more: &Value) -> Value {
    if let (Some(place), Some(more)) = (place.as_object_mut(), more.as_object()) {
        place.extend(more.clone());
    }
    place
}

/// Tokens are all of text: local models read and write nothing else.
fn usage_json(usage: Usage) -> Value {
    let Usage { prompt, cached, generated, finish: _ } = usage;
    json!({
        "total_tokens": prompt.saturating_add(generated),
        "input_tokens": prompt,
        "output_tokens": generated,
        "input_token_details": {
            "text_tokens": prompt, "audio_tokens": 0, "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details":
                { "text_tokens": cached, "audio_tokens": 0, "image_tokens": 0 },
        },
        "output_token_details": { "text_tokens": generated, "audio_tokens": 0 },
    })
}
