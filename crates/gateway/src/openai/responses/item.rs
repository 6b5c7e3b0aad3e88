//! The items of a conversation: messages, calls of functions and what they returned.

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_inference::{Role, ToolCall};

use super::order::Lookup;
use crate::{
    openai::{
        history::Entry,
        part::{self, Content},
        stamp,
        text_or::TextOr,
    },
    refusal::Refusal,
};

/// An item and the id by which it can be named later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) entry: Entry,
}

/// An item as clients send it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireItem {
    r#type: Option<String>,
    id: Option<String>,
    role: Option<WireRole>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    Developer,
    User,
    Assistant,
}

/// What a client says: a text of the user, or items.
pub(super) fn read(
    input: Option<TextOr<WireItem>>,
    lookup: &Lookup<'_>,
) -> Result<Vec<Item>, Refusal> {
    let items = match input {
        None => return Ok(Vec::new()),
        Some(TextOr::Text(text)) => return Ok(vec![Item::new(Entry::said(Role::User, text))]),
        Some(TextOr::List(items)) => items,
    };
    let numbered = items.into_iter().enumerate();
    let read = numbered.map(|(number, item)| item.read(&format!("input[{number}]"), lookup));
    Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

impl WireItem {
    /// The item; `None` for what no model here takes and none misses: reasoning.
    fn read(self, path: &str, lookup: &Lookup<'_>) -> Result<Option<Item>, Refusal> {
        let missing = |field: &str| Refusal::missing_param(format!("{path}.{field}"));
        let entry = match self.r#type.as_deref().unwrap_or("message") {
            "message" => {
                let role = match self.role.ok_or_else(|| missing("role"))? {
                    WireRole::System | WireRole::Developer => Role::System,
                    WireRole::User => Role::User,
                    WireRole::Assistant => Role::Assistant,
                };
                Entry::said(role, part::text(self.content, &format!("{path}.content"))?)
            }
            "function_call" => {
                let id = self.call_id.ok_or_else(|| missing("call_id"))?;
                let name = self.name.ok_or_else(|| missing("name"))?;
                let arguments = self.arguments.ok_or_else(|| missing("arguments"))?;
                Entry::Called { id, call: ToolCall { name, arguments } }
            }
            "function_call_output" => {
                let id = self.call_id.ok_or_else(|| missing("call_id"))?;
                let output = part::text(self.output, &format!("{path}.output"))?;
                Entry::Returned { id, output }
            }
            "item_reference" => {
                let id = self.id.ok_or_else(|| missing("id"))?;
                let found = lookup.item(&id);
                let refusal = || {
                    let message = format!("{path}: there is no item with the id '{id}'");
                    Refusal::not_found("input", message)
                };
                return found.ok_or_else(refusal).map(Some);
            }
            "reasoning" => return Ok(None),
            other => {
                let message = format!("an item of the type '{other}' cannot be sent here");
                return Err(Refusal::unsupported(format!("{path}.type"), message));
            }
        };
        Ok(Some(match self.id {
            Some(id) => Item { id, entry },
            None => Item::new(entry),
        }))
    }
}

impl Item {
    /// An item with a new id.
    pub(super) fn new(entry: Entry) -> Self {
        let prefix = match &entry {
            Entry::Said { .. } => "msg_",
            Entry::Called { .. } => "fc_",
            Entry::Returned { .. } => "fco_",
        };
        Self { id: stamp::id(prefix), entry }
    }

    /// As clients are told of it.
    pub(super) fn told(&self) -> Value {
        match &self.entry {
            Entry::Said { role, text } => {
                let (role, part) = match role {
                    Role::Assistant => ("assistant", text_part(text, &json!([]))),
                    Role::System => ("system", json!({ "type": "input_text", "text": text })),
                    Role::User | Role::Tool => {
                        ("user", json!({ "type": "input_text", "text": text }))
                    }
                };
                json!({
                    "id": self.id, "type": "message", "status": "completed", "role": role,
                    "content": [part],
                })
            }
            Entry::Called { id, call } => json!({
                "id": self.id, "type": "function_call", "status": "completed", "call_id": id,
                "name": call.name, "arguments": call.arguments,
            }),
            Entry::Returned { id, output } => json!({
                "id": self.id, "type": "function_call_output", "status": "completed",
                "call_id": id, "output": output,
            }),
        }
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let text = match &self.entry {
            Entry::Said { text, .. } => text.len(),
            Entry::Called { id, call } => id.len() + call.name.len() + call.arguments.len(),
            Entry::Returned { id, output } => id.len() + output.len(),
        };
        size_of::<Self>() + self.id.len() + text
    }
}

/// A text of the model.
pub(super) fn text_part(text: &str, logprobs: &Value) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": logprobs })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::openai::responses::memory::{Memory, Turn};

    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn check(input: Value) -> Result<Vec<Item>, Refusal> {
        let memory = Memory::default();
        let item = Item { id: "msg_old".into(), entry: Entry::said(Role::Assistant, "before") };
        let turn = Turn { output: vec![item], ..Turn::default() };
        memory.keep(Instant::now(), turn);
        let lookup = Lookup { memories: vec![&memory], owner: 0, now: Instant::now() };
        read(serde_json::from_value(input).unwrap(), &lookup)
    }

    #[test]
    fn items_are_read_and_told_again() {
        let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
        let output = json!([{"type": "input_text", "text": "o"}]);
        let items = check(json!([
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"id": "msg_own", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
            call,
            {"type": "function_call_output", "call_id": "c", "output": output},
            {"type": "item_reference", "id": "msg_old"},
        ]))
        .unwrap();
        let told: Vec<_> = items
            .iter()
            .map(|item| {
                let mut told = item.told();
                let id = item.id.split('_').next().unwrap_or_default();
                told["id"] = json!(id);
                told
            })
            .collect();
        insta::assert_json_snapshot!(told);
    }

    #[test]
    fn what_is_no_item_is_refused_by_its_place() {
        for (item, param) in [
            (json!({"content": "x"}), "input[0].role"),
            (
                json!({"role": "user", "content": [{"type": "input_image"}]}),
                "input[0].content[0].type",
            ),
            (json!({"type": "function_call", "name": "f"}), "input[0].call_id"),
            (json!({"type": "function_call", "call_id": "c"}), "input[0].name"),
            (json!({"type": "function_call_output", "output": "o"}), "input[0].call_id"),
            (json!({"type": "item_reference", "id": "msg_none"}), "input"),
            (json!({"type": "computer_call"}), "input[0].type"),
        ] {
            assert_eq!(check(json!([item])).unwrap_err().error()["param"], param);
        }
    }
}
