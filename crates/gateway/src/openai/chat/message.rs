//! Messages as clients send them.

use serde::Deserialize;
use trunkline_inference::{Role, ToolCall};

use crate::{
    openai::{
        history::Entry,
        part::{self, Content},
    },
    refusal::Refusal,
};

/// A message. Old clients call functions with `function_call` and tell the result with the role `function`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireMessage {
    role: WireRole,
    content: Option<Content>,
    tool_calls: Option<Vec<WireCall>>,
    function_call: Option<CalledFunction>,
    tool_call_id: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Clone, Debug, Deserialize)]
struct WireCall {
    id: Option<String>,
    function: Option<CalledFunction>,
}

#[derive(Clone, Debug, Deserialize)]
struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// What the messages say.
pub(super) fn entries(messages: Vec<WireMessage>) -> Result<Vec<Entry>, Refusal> {
    if messages.is_empty() {
        return Err(Refusal::bad_param("messages", "there must be at least one message"));
    }
    let numbered = messages.into_iter().enumerate();
    let read: Result<Vec<_>, _> = numbered.map(|(number, message)| message.read(number)).collect();
    Ok(read?.into_iter().flatten().collect())
}

impl WireMessage {
    fn read(self, number: usize) -> Result<Vec<Entry>, Refusal> {
        let path = format!("messages[{number}]");
        let text = part::text(self.content, &format!("{path}.content"))?;
        let role = match self.role {
            WireRole::System | WireRole::Developer => Role::System,
            WireRole::User => Role::User,
            WireRole::Assistant => Role::Assistant,
            WireRole::Tool => {
                let Some(id) = self.tool_call_id else {
                    let message = "a result names its call with tool_call_id";
                    return Err(Refusal::bad_param(format!("{path}.tool_call_id"), message));
                };
                return Ok(vec![Entry::Returned { id, output: text }]);
            }
            WireRole::Function => {
                let id = self.name.unwrap_or_default();
                return Ok(vec![Entry::Returned { id, output: text }]);
            }
        };
        let mut calls = calls(self.tool_calls.unwrap_or_default(), &path)?;
        if let Some(function) = self.function_call {
            calls.push(Entry::Called { id: function.name.clone(), call: function.into() });
        }
        let is_only_calls = text.is_empty() && !calls.is_empty();
        let said = (!is_only_calls).then(|| Entry::said(role, text));
        Ok(said.into_iter().chain(calls).collect())
    }
}

fn calls(calls: Vec<WireCall>, path: &str) -> Result<Vec<Entry>, Refusal> {
    let call = |(number, call): (usize, WireCall)| {
        let function = call.function.ok_or_else(|| {
            let param = format!("{path}.tool_calls[{number}].function");
            Refusal::bad_param(param, "only functions are called here")
        })?;
        Ok(Entry::Called { id: call.id.unwrap_or_default(), call: function.into() })
    };
    calls.into_iter().enumerate().map(call).collect()
}

impl From<CalledFunction> for ToolCall {
    fn from(function: CalledFunction) -> Self {
        Self { name: function.name, arguments: function.arguments }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn read(messages: Value) -> Result<Vec<Entry>, Refusal> {
        entries(serde_json::from_value(messages).unwrap())
    }

    fn called(id: &str, arguments: &str) -> Entry {
        let call = ToolCall { name: "f".to_owned(), arguments: arguments.to_owned() };
        Entry::Called { id: id.to_owned(), call }
    }

    #[test]
    fn every_role_says_its_part() {
        let call =
            json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let entries = read(json!([
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            {"role": "user", "content": "u", "name": "ann"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "t"},
            {"role": "assistant", "content": "words", "function_call": {"name": "f", "arguments": "x"}},
            {"role": "function", "name": "f", "content": "r"},
            {"role": "assistant", "content": ""},
        ]));
        let returned =
            |id: &str, output: &str| Entry::Returned { id: id.into(), output: output.into() };
        assert_eq!(
            entries.unwrap(),
            [
                Entry::said(Role::System, "s"),
                Entry::said(Role::System, "d"),
                Entry::said(Role::User, "u"),
                called("1", "{}"),
                returned("1", "t"),
                Entry::said(Role::Assistant, "words"),
                called("f", "x"),
                returned("f", "r"),
                Entry::said(Role::Assistant, ""),
            ]
        );
    }

    #[test]
    fn what_is_missing_is_told_with_its_place() {
        for (message, param) in [
            (json!({"role": "tool", "content": "t"}), "messages[1].tool_call_id"),
            (
                json!({"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}),
                "messages[1].tool_calls[0].function",
            ),
            (
                json!({"role": "user", "content": [{"type": "image_url"}]}),
                "messages[1].content[0].type",
            ),
        ] {
            let refusal = read(json!([{"role": "user", "content": "u"}, message])).unwrap_err();
            assert_eq!(refusal.error()["param"], param);
        }
    }
}
