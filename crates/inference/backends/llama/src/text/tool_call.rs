//! Tool calls in what a model writes, as leniently as small models need.
//!
//! Models write `{"name": .., "arguments": {..}}`, between `<tool_call>` tags or without, in a fence,
//! or with the doubled braces of their own template. A reply that begins like one of these is held
//! back whole; braces later in a text are text.

use serde_json::{Map, Value};
use trunkline_inference::ToolCall;

use super::tool_call as call;

const OPEN_TAG: &str = "<tool_call>";
const CLOSE_TAG: &str = "</tool_call>";
/// How a call may begin besides `{` and the tag.
const FENCES: [&str; 2] = ["```json", "```"];
/// The keys with which a call's object begins.
const KEYS: [&str; 5] = ["name", "arguments", "parameters", "function", "type"];

/// Holds back a reply that begins as a tool call.
#[derive(Debug, Default)]
pub(super) struct ToolGate {
    held: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    Text,
    Call,
}

impl ToolGate {
    /// The text that is no tool call.
    pub(super) fn push(&mut self, text: &str) -> String {
        if self.verdict == Verdict::Text {
            return text.to_owned();
        }
        self.held.push_str(text);
        if self.verdict == Verdict::Open {
            self.verdict = judge(&self.held);
        }
        match self.verdict {
            Verdict::Text => std::mem::take(&mut self.held),
            Verdict::Open | Verdict::Call => String::new(),
        }
    }

    /// The calls, and the text that turned out to be none.
    pub(super) fn finish(&mut self) -> (Vec<ToolCall>, String) {
        let held = std::mem::take(&mut self.held);
        match self.verdict {
            Verdict::Call => split_calls(&held),
            Verdict::Open | Verdict::Text => (Vec::new(), held),
        }
    }
}

/// Whether a reply that begins so is a call; `Open` while it can become either.
fn judge(reply: &str) -> Verdict {
    let reply = reply.trim_start();
    if reply.starts_with(OPEN_TAG) {
        return Verdict::Call;
    }
    if OPEN_TAG.starts_with(reply) || FENCES.iter().any(|fence| fence.starts_with(reply)) {
        return Verdict::Open;
    }
    let body = FENCES.iter().find_map(|fence| reply.strip_prefix(fence)).unwrap_or(reply);
    let key = body.trim_start().trim_start_matches(|c: char| c == '{' || c.is_whitespace());
    if key.is_empty() {
        return Verdict::Open;
    }
    if !body.trim_start().starts_with('{') {
        return Verdict::Text;
    }
    let Some(key) = key.strip_prefix('"') else { return Verdict::Text };
    match key.split_once('"') {
        Some((key, _)) if KEYS.contains(&key) => Verdict::Call,
        None if KEYS.iter().any(|k| k.starts_with(key)) => Verdict::Open,
        Some(_) | None => Verdict::Text,
    }
}

/// Reads call after call. What cannot be read is text; so is everything when there is no call.
fn split_calls(reply: &str) -> (Vec<ToolCall>, String) {
    let mut calls = Vec::new();
    let mut rest = strip_marks(reply);
    while let Some((found, after)) = read_call(rest) {
        calls.push(found);
        rest = strip_marks(after);
    }
    let rest = if calls.is_empty() { reply } else { rest };
    (calls, rest.to_owned())
}

/// Without the tags, fences and surplus braces before the next call.
fn strip_marks(mut text: &str) -> &str {
    loop {
        let before = text.len();
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '}' || c == ',');
        for mark in [OPEN_TAG, CLOSE_TAG, FENCES[0], FENCES[1]] {
            text = text.strip_prefix(mark).unwrap_or(text);
        }
        if text.len() == before {
            return text;
        }
    }
}

fn read_call(text: &str) -> Option<(ToolCall, &str)> {
    if !text.starts_with('{') {
        return None;
    }
    let inner = text.strip_prefix('{').filter(|inner| inner.trim_start().starts_with('{'));
    [Some(text), inner].into_iter().flatten().find_map(read_object).or_else(|| read_doubled(text))
}

/// A call that is proper JSON, and what follows it.
fn read_object(text: &str) -> Option<(ToolCall, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let after = values.byte_offset();
    Some((to_call(&value)?, text.split_at_checked(after)?.1))
}

/// A call with doubled braces or without its last ones; it takes all of the text up to the next tag.
fn read_doubled(text: &str) -> Option<(ToolCall, &str)> {
    let end = [CLOSE_TAG, OPEN_TAG, "```"].iter().filter_map(|mark| text.find(mark)).min();
    let (body, after) = text.split_at(end.unwrap_or(text.len()));
    let single = body.replace("{{", "{").replace("}}", "}");
    (0..4).find_map(|missing| {
        let closed = format!("{}{}", single.trim_end(), "}".repeat(missing));
        Some((read_object(&closed)?.0, after))
    })
}

fn to_call(value: &Value) -> Option<ToolCall> {
    let object = value.as_object()?;
    if let Some(function @ Value::Object(_)) = object.get("function") {
        return to_call(function);
    }
    let name = object.get("name").or_else(|| object.get("function"))?.as_str()?.trim();
    (!name.is_empty()).then(|| call(name, arguments(object)))
}

/// The arguments as a JSON object; models also write them as a string that holds one.
fn arguments(object: &Map<String, Value>) -> String {
    let given = object.get("arguments").or_else(|| object.get("parameters"));
    match given {
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(value @ Value::Object(_)) => value.to_string(),
            Ok(_) | Err(_) => Value::Object(Map::new()).to_string(),
        },
        Some(value @ Value::Object(_)) => value.to_string(),
        Some(_) | None => Value::Object(Map::new()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> (Vec<ToolCall>, String) {
        let mut gate = ToolGate::default();
        let mut text: String = reply.chars().map(|c| gate.push(&c.to_string())).collect();
        let (calls, rest) = gate.finish();
        text.push_str(&rest);
        (calls, text)
    }

    #[test]
    fn calls_are_read_in_all_the_ways_models_write_them() {
        let expected = [call("book", r#"{"day":"Monday"}"#.to_owned())];
        for reply in [
            r#"{"name": "book", "arguments": {"day": "Monday"}}"#,
            r#"{"arguments": {"day": "Monday"}, "name": "book"}"#,
            "<tool_call>\n{\"name\": \"book\", \"arguments\": {\"day\": \"Monday\"}}\n</tool_call>",
            "<tool_call>{\"name\": \"book\", \"arguments\": {\"day\": \"Monday\"}}",
            r#"{{"name": "book", "arguments": {"day": "Monday"}}}"#,
            r#"{{"name": "book", "arguments": {{"day": "Monday"}}}}"#,
            r#"{"name": "book", "arguments": {{"day": "Monday"}}}"#,
            r#"{"name": "book", "arguments": {"day": "Monday"}"#,
            r#"{"name": "book", "parameters": {"day": "Monday"}}"#,
            r#"{"name": "book", "arguments": "{\"day\": \"Monday\"}"}"#,
            r#"{"type": "function", "function": {"name": "book", "arguments": {"day": "Monday"}}}"#,
            "```json\n{\"name\": \"book\", \"arguments\": {\"day\": \"Monday\"}}\n```",
            "  \n{ \"name\" : \"book\" , \"arguments\" : { \"day\" : \"Monday\" } }",
        ] {
            let (calls, text) = read(reply);
            assert_eq!(calls, expected, "{reply}");
            assert_eq!(text.trim(), "", "{reply}");
        }
    }

    #[test]
    fn several_calls_are_told_apart() {
        let (calls, _) = read(
            "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"b\"}\n</tool_call>",
        );
        assert_eq!(calls, [call("a", "{}".to_owned()), call("b", "{}".to_owned())]);
    }

    #[test]
    fn words_after_a_call_are_spoken() {
        let (calls, text) = read("{\"name\": \"a\", \"arguments\": {}}\nOne moment.");
        assert_eq!((calls.len(), text.as_str()), (1, "One moment."));
    }

    #[test]
    fn text_with_braces_is_text() {
        for reply in [
            "Use {\"name\": \"a\"} please",
            "{curly} words",
            "{\"city\": \"Bern\"}",
            "<b>bold</b>",
            "```rust\nfn main() {}\n```",
            "{\"name\": oops",
            "{",
            "",
        ] {
            assert_eq!(read(reply), (Vec::new(), reply.to_owned()));
        }
    }

    #[test]
    fn ordinary_text_is_not_held_back() {
        assert_eq!(ToolGate::default().push("We"), "We");
    }
}
