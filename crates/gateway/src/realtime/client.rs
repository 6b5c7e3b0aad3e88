//! What clients send: the eleven events of the Realtime API, and the items that they put in.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    fault::Fault,
    settings::{
        parse,
        tools::{ChoiceWire, MaxTokens, ToolWire},
        wire::{Modality, OutputWire},
    },
};

/// An event and the id that its client gave it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) event_id: Option<String>,
    pub(crate) event: Result<ClientEvent, Fault>,
}

/// What a client orders.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum ClientEvent {
    #[serde(rename = "session.update")]
    Update { session: Map<String, Value> },
    #[serde(rename = "input_audio_buffer.append")]
    Append { audio: String },
    #[serde(rename = "input_audio_buffer.commit")]
    Commit,
    #[serde(rename = "input_audio_buffer.clear")]
    Clear,
    #[serde(rename = "output_audio_buffer.clear")]
    ClearOutput,
    #[serde(rename = "conversation.item.create")]
    Create { item: Value, previous_item_id: Option<String> },
    #[serde(rename = "conversation.item.delete")]
    Delete { item_id: String },
    #[serde(rename = "conversation.item.retrieve")]
    Retrieve { item_id: String },
    #[serde(rename = "conversation.item.truncate")]
    Truncate { item_id: String, content_index: u32, audio_end_ms: u64 },
    #[serde(rename = "response.create")]
    Respond { response: Option<Box<ResponseWire>> },
    #[serde(rename = "response.cancel")]
    Cancel { response_id: Option<String> },
}

/// The names of the events.
const EVENTS: [&str; 11] = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
];

/// `response.create`: a reply that is unlike the session's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseWire {
    pub(crate) conversation: Option<String>,
    pub(crate) input: Option<Vec<Value>>,
    pub(crate) instructions: Option<String>,
    pub(crate) max_output_tokens: Option<MaxTokens>,
    pub(crate) metadata: Option<Value>,
    pub(crate) output_modalities: Option<Vec<Modality>>,
    pub(crate) tools: Option<Vec<ToolWire>>,
    pub(crate) tool_choice: Option<ChoiceWire>,
    pub(crate) temperature: Option<f32>,
    pub(crate) audio: Option<ResponseAudio>,
    prompt: Option<Value>,
    #[serde(rename = "parallel_tool_calls")]
    _parallel_tool_calls: Option<bool>,
    #[serde(rename = "reasoning")]
    _reasoning: Option<Value>,
}

impl ResponseWire {
    /// That nothing is asked that cannot be honoured.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.prompt.is_some() {
            let message = "stored prompts are not served: send instructions";
            return Err(Fault::unsupported("response.prompt", message));
        }
        Ok(())
    }
}

/// How one reply sounds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseAudio {
    pub(crate) output: Option<OutputWire>,
}

impl Sent {
    /// Reads a text frame.
    pub(crate) fn read(text: &str) -> Self {
        let json: Value = match serde_json::from_str(text) {
            Ok(json) => json,
            Err(error) => {
                let message = format!("the event is not JSON: {error}");
                return Self {
                    event_id: None,
                    event: Err(Fault::invalid("invalid_json", message)),
                };
            }
        };
        let event_id = json.get("event_id").and_then(Value::as_str).map(str::to_owned);
        Self { event_id, event: read_event(json) }
    }
}

fn read_event(json: Value) -> Result<ClientEvent, Fault> {
    let Some(kind) = json.get("type").and_then(Value::as_str) else {
        let message = "an event is an object with a 'type'";
        return Err(Fault::invalid("missing_required_parameter", message).at("type"));
    };
    if !EVENTS.contains(&kind) {
        let message = format!("there is no event '{kind}': there are {}", EVENTS.join(", "));
        return Err(Fault::value("type", message));
    }
    // `response` may hold what is wrong: its path is told where it can be.
    let kind = kind.to_owned();
    let field = match kind.as_str() {
        "response.create" => "response",
        "session.update" => "session",
        _ => "",
    };
    if let Some(response) = json.get("response").filter(|r| field == "response" && !r.is_null()) {
        let response = Box::new(parse(response.clone(), field)?);
        return Ok(ClientEvent::Respond { response: Some(response) });
    }
    serde_json::from_value(json).map_err(|error| {
        let message = error.to_string();
        let code = if message.starts_with("missing field") {
            "missing_required_parameter"
        } else {
            "invalid_value"
        };
        let param =
            message.split('`').nth(1).filter(|_| code != "invalid_value").map(str::to_owned);
        let fault = Fault::invalid(code, format!("{kind}: {message}"));
        match param {
            Some(param) => fault.at(param),
            None => fault,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(event: &Value) -> Value {
        Sent::read(&event.to_string()).event.unwrap_err().json(None)
    }

    #[test]
    fn an_event_that_is_none_is_told_so() {
        assert_eq!(Sent::read("{").event.unwrap_err().json(None)["code"], "invalid_json");
        assert_eq!(fault(&json!([]))["param"], "type");
        assert_eq!(fault(&json!({"type": "response.creat"}))["param"], "type");
        assert_eq!(fault(&json!({"type": "input_audio_buffer.append"}))["param"], "audio");
        assert_eq!(fault(&json!({"type": "conversation.item.delete"}))["param"], "item_id");
        let wrong = json!({"type": "response.create", "response": {"max_output_tokens": []}});
        assert_eq!(fault(&wrong)["param"], "response.max_output_tokens");
        let unknown = json!({"type": "response.create", "response": {"modalities": ["text"]}});
        assert_eq!(fault(&unknown)["code"], "unknown_parameter");
    }

    #[test]
    fn the_events_id_is_read_though_the_event_is_wrong() {
        let sent = Sent::read(r#"{"type": "x", "event_id": "mine"}"#);
        assert_eq!(sent.event_id.as_deref(), Some("mine"));
        assert!(sent.event.is_err());
    }

    #[test]
    fn all_eleven_events_are_read() {
        for (event, fields) in [
            ("session.update", json!({"session": {}})),
            ("input_audio_buffer.append", json!({"audio": ""})),
            ("input_audio_buffer.commit", json!({})),
            ("input_audio_buffer.clear", json!({})),
            ("output_audio_buffer.clear", json!({})),
            ("conversation.item.create", json!({"item": {}})),
            ("conversation.item.delete", json!({"item_id": "x"})),
            ("conversation.item.retrieve", json!({"item_id": "x"})),
            (
                "conversation.item.truncate",
                json!({"item_id": "x", "content_index": 0, "audio_end_ms": 1}),
            ),
            ("response.create", json!({})),
            ("response.create", json!({"response": null})),
            ("response.create", json!({"response": {}})),
            ("response.cancel", json!({"response_id": null})),
        ] {
            let mut json = fields;
            json["type"] = event.into();
            json["event_id"] = Value::Null;
            let sent = Sent::read(&json.to_string());
            assert!(sent.event.is_ok(), "{event}: {:?}", sent.event);
        }
    }
}
