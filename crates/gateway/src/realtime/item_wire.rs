//! Items that clients put into a conversation, and what the language model reads of them.

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_inference::{Message, Role, ToolCall};

use super::{fault::Fault, settings::parse};

/// The longest id of an item.
const ID_BYTES: usize = 64;

/// An item as clients write it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ItemWire {
    /// Somebody's words.
    Message { id: Option<String>, role: RoleWire, content: Vec<PartWire> },
    /// A call that the model is said to have made.
    FunctionCall { id: Option<String>, call_id: Option<String>, name: String, arguments: String },
    /// What a function gave.
    FunctionCallOutput { id: Option<String>, call_id: String, output: String },
    /// An item of the conversation, in the `input` of a response.
    ItemReference { id: String },
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleWire {
    User,
    Assistant,
    System,
}

/// A part of a message.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum PartWire {
    InputText {
        text: String,
    },
    #[serde(alias = "text")]
    OutputText {
        text: String,
    },
    /// Sound whose words are known.
    #[serde(alias = "audio")]
    OutputAudio {
        transcript: Option<String>,
    },
    InputAudio {
        transcript: Option<String>,
    },
    InputImage,
}

impl ItemWire {
    /// Reads an item; `param` names it.
    pub(crate) fn read(json: &Value, param: &str) -> Result<Self, Fault> {
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind.starts_with("mcp_") {
            let message = format!("items of type '{kind}' are not served: only functions");
            return Err(Fault::unsupported(format!("{param}.type"), message));
        }
        let item: Self = parse(json.clone(), param)?;
        if let Some(id) = item.id()
            && (id.is_empty() || id.len() > ID_BYTES)
        {
            let message = format!("the id of an item has 1 to {ID_BYTES} characters");
            return Err(Fault::value(format!("{param}.id"), message));
        }
        Ok(item)
    }

    /// The id that the client gave it.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::FunctionCallOutput { id, .. } => id.as_deref(),
            Self::ItemReference { id } => Some(id),
        }
    }

    /// What the model reads of it; `param` names it.
    pub(crate) fn message(&self, param: &str) -> Result<Message, Fault> {
        match self {
            Self::Message { role, content, .. } => {
                let parts = content.iter().enumerate();
                let texts: Vec<&str> = parts
                    .map(|(n, part)| part.text(&format!("{param}.content[{n}]")))
                    .collect::<Result<_, _>>()?;
                Ok(Message::new(role.role(), texts.join("\n")))
            }
            Self::FunctionCall { name, arguments, .. } => {
                let call = ToolCall { name: name.clone(), arguments: arguments.clone() };
                let message = Message::new(Role::Assistant, "");
                Ok(Message { tool_calls: vec![call], ..message })
            }
            Self::FunctionCallOutput { output, .. } => {
                Ok(Message::new(Role::Tool, output.as_str()))
            }
            Self::ItemReference { .. } => {
                let message = "a reference stands only in the input of a response";
                Err(Fault::value(format!("{param}.type"), message))
            }
        }
    }

    /// As the server shows it.
    pub(crate) fn json(&self, id: &str, call_id: &str) -> Value {
        let mut json = json!({ "id": id, "object": "realtime.item" });
        let fields = match self {
            Self::Message { role, content, .. } => json!({
                "type": "message", "status": "completed", "role": role.name(),
                "content": content.iter().map(|part| part.json(*role)).collect::<Vec<_>>(),
            }),
            Self::FunctionCall { name, arguments, call_id: own, .. } => json!({
                "type": "function_call", "status": "completed", "name": name,
                "call_id": own.as_deref().unwrap_or(call_id), "arguments": arguments,
            }),
            Self::FunctionCallOutput { call_id, output, .. } => json!({
                "type": "function_call_output", "status": "completed", "call_id": call_id,
                "output": output,
            }),
            Self::ItemReference { .. } => json!({ "type": "item_reference" }),
        };
        if let (Some(json), Value::Object(fields)) = (json.as_object_mut(), fields) {
            json.extend(fields);
        }
        json
    }
}

impl RoleWire {
    fn role(self) -> Role {
        match self {
            Self::User => Role::User,
            Self::Assistant => Role::Assistant,
            Self::System => Role::System,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }
}

impl PartWire {
    fn text(&self, param: &str) -> Result<&str, Fault> {
        match self {
            Self::InputText { text } | Self::OutputText { text } => Ok(text),
            Self::OutputAudio { transcript } => Ok(transcript.as_deref().unwrap_or_default()),
            Self::InputAudio { transcript: Some(transcript) } => Ok(transcript),
            Self::InputAudio { transcript: None } => {
                let message = "sound is taken by input_audio_buffer.append and commit; \
                               an item with sound needs its transcript";
                Err(Fault::unsupported(format!("{param}.audio"), message))
            }
            Self::InputImage => {
                let message = "images are not served: the local model reads text";
                Err(Fault::unsupported(format!("{param}.type"), message))
            }
        }
    }

    fn json(&self, role: RoleWire) -> Value {
        match self {
            Self::InputText { text } | Self::OutputText { text } => {
                let kind = match role {
                    RoleWire::Assistant => "output_text",
                    RoleWire::User | RoleWire::System => "input_text",
                };
                json!({ "type": kind, "text": text })
            }
            Self::OutputAudio { transcript } => {
                json!({ "type": "output_audio", "transcript": transcript })
            }
            Self::InputAudio { transcript } => {
                json!({ "type": "input_audio", "transcript": transcript })
            }
            Self::InputImage => json!({ "type": "input_image" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(json: &Value) -> Result<Message, Fault> {
        ItemWire::read(json, "item").and_then(|item| item.message("item"))
    }

    #[test]
    fn the_model_reads_the_words_of_every_role() {
        for (role, part, expected) in [
            ("user", "input_text", Role::User),
            ("system", "input_text", Role::System),
            ("assistant", "output_text", Role::Assistant),
            ("assistant", "text", Role::Assistant),
        ] {
            let json = json!({"type": "message", "role": role,
                "content": [{"type": part, "text": "a"}, {"type": part, "text": "b"}]});
            assert_eq!(message(&json), Ok(Message::new(expected, "a\nb")));
        }
        let spoken = json!({"type": "message", "role": "assistant",
            "content": [{"type": "output_audio", "transcript": "hi"}]});
        assert_eq!(message(&spoken).unwrap().content, "hi");
    }

    #[test]
    fn calls_and_results_are_messages_too() {
        let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
        assert_eq!(message(&call).unwrap().tool_calls[0].name, "f");
        let result = json!({"type": "function_call_output", "call_id": "c", "output": "7"});
        assert_eq!(message(&result), Ok(Message::new(Role::Tool, "7")));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let param = |json: Value| message(&json).unwrap_err().json(None)["param"].clone();
        let with = |part: Value| json!({"type": "message", "role": "user", "content": [part]});
        assert_eq!(
            param(with(json!({"type": "input_audio", "audio": "AAAA"}))),
            "item.content[0].audio"
        );
        assert_eq!(
            param(with(json!({"type": "input_image", "image_url": "x"}))),
            "item.content[0].type"
        );
        assert_eq!(param(json!({"type": "mcp_call"})), "item.type");
        assert_eq!(param(json!({"type": "item_reference", "id": "x"})), "item.type");
        let long = json!({"type": "function_call_output", "call_id": "c", "output": "7",
            "id": "x".repeat(65)});
        assert_eq!(param(long), "item.id");
    }

    #[test]
    fn an_item_is_shown_as_it_came() {
        let json = json!({"id": "x", "object": "realtime.item", "type": "message",
            "status": "completed", "role": "user", "content": [{"type": "input_text", "text": "a"}]});
        assert_eq!(ItemWire::read(&json, "item").unwrap().json("x", "y"), json);
    }
}
