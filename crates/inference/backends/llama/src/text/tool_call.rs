//! Tool calls in what a model writes, as leniently as small models need.
//!
//! Models write `{"name": .., "arguments": {..}}`, between `<tool_call>` tags or without, in a fence,
//! or with the doubled braces of their own template. A reply that begins like one of these is held
//! back whole, and so is all that follows a tag; other braces later in a text are text, and so is a
//! call of a function that nobody offered.

use serde_json::{Map, Value};
use trunkline_inference::ToolCall;

use super::tool_call as call;

const OPEN_TAG: &str = "<tool_call>";
const CLOSE_TAG: &str = "</tool_call>";
/// How a call may begin besides `{` and the tag.
const FENCES: [&str; 2] = ["```json", "```"];
/// The keys with which a call's object begins.
const KEYS: [&str; 5] = ["name", "arguments", "parameters", "function", "type"];

/// What counts as a call in a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Callable {
    /// The functions offered; where there is none, everything is text.
    names: Vec<String>,
    /// Whether calls stand between tags and everything else is text.
    is_tagged: bool,
}

impl Callable {
    /// Calls of these functions, however they are written.
    pub(crate) fn lenient(names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().collect(), is_tagged: false }
    }

    /// Calls of these functions between tags: the text may be JSON too.
    pub(crate) fn tagged(names: impl IntoIterator<Item = String>) -> Self {
        Self { is_tagged: true, ..Self::lenient(names) }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|offered| offered == name)
    }
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself.
    Whole,
    /// It was long enough: what is not complete is no call, and not to be spoken either.
    Cut,
}

/// Holds back what is written as a tool call.
#[derive(Debug, Default)]
pub(super) struct ToolGate {
    callable: Callable,
    held: String,
    verdict: Verdict,
    is_told: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    Text,
    Call,
}

impl ToolGate {
    /// Lets all through but such calls.
    pub(super) fn new(callable: Callable) -> Self {
        Self { callable, ..Self::default() }
    }

    /// The text that is no tool call.
    pub(super) fn push(&mut self, text: &str) -> String {
        if self.callable.names.is_empty() {
            return text.to_owned();
        }
        self.held.push_str(text);
        if self.verdict == Verdict::Open {
            self.verdict = judge(&self.held, &self.callable);
        }
        match self.verdict {
            Verdict::Text => self.up_to_a_tag(),
            Verdict::Open | Verdict::Call => String::new(),
        }
    }

    /// How many bytes are held of a call that has just begun; once.
    pub(super) fn take_beginning(&mut self) -> Option<usize> {
        let is_news = self.verdict == Verdict::Call && !std::mem::replace(&mut self.is_told, true);
        is_news.then_some(self.held.len())
    }

    /// The calls, and the text that turned out to be none.
    pub(super) fn finish(&mut self, ending: Ending) -> (Vec<ToolCall>, String) {
        let held = std::mem::take(&mut self.held);
        match self.verdict {
            Verdict::Call => split_calls(&held, &self.callable, ending),
            Verdict::Open if ending == Ending::Cut => (Vec::new(), String::new()),
            Verdict::Open | Verdict::Text => (Vec::new(), held),
        }
    }

    /// The text before a tag or what may become one; from a tag on, it is a call.
    fn up_to_a_tag(&mut self) -> String {
        let tag = self.held.find(OPEN_TAG);
        if tag.is_some() {
            self.verdict = Verdict::Call;
        }
        let begun = || {
            let ends = (1..OPEN_TAG.len()).rev();
            ends.filter_map(|length| OPEN_TAG.get(..length)).find(|tag| self.held.ends_with(tag))
        };
        let keep = tag.unwrap_or_else(|| self.held.len() - begun().map_or(0, str::len));
        let rest = self.held.split_off(keep);
        std::mem::replace(&mut self.held, rest)
    }
}

/// Whether a reply that begins so is a call; `Open` while it can become either.
fn judge(reply: &str, callable: &Callable) -> Verdict {
    let reply = reply.trim_start();
    if reply.starts_with(OPEN_TAG) {
        return Verdict::Call;
    }
    if OPEN_TAG.starts_with(reply) {
        return Verdict::Open;
    }
    if callable.is_tagged {
        return Verdict::Text;
    }
    if FENCES.iter().any(|fence| fence.starts_with(reply)) {
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
        Some(("name", value)) => judge_name(value, callable),
        Some((key, _)) if KEYS.contains(&key) => Verdict::Call,
        None if KEYS.iter().any(|k| k.starts_with(key)) => Verdict::Open,
        Some(_) | None => Verdict::Text,
    }
}

/// Of what follows the key of a name: a call where a function of this name was offered.
fn judge_name(value: &str, callable: &Callable) -> Verdict {
    let value = value.trim_start();
    if value.is_empty() {
        return Verdict::Open;
    }
    let Some(value) = value.strip_prefix(':').map(str::trim_start) else { return Verdict::Text };
    if value.is_empty() {
        return Verdict::Open;
    }
    match value.strip_prefix('"').map(|name| (name.split_once('"'), name)) {
        Some((Some((name, _)), _)) if callable.has(name) => Verdict::Call,
        Some((None, begun)) if callable.names.iter().any(|name| name.starts_with(begun)) => {
            Verdict::Open
        }
        Some(_) | None => Verdict::Text,
    }
}

/// Reads call after call. What cannot be read is text; so is everything when there is no call.
fn split_calls(reply: &str, callable: &Callable, ending: Ending) -> (Vec<ToolCall>, String) {
    let mut calls = Vec::new();
    let mut rest = strip_marks(reply);
    while let Some((found, after)) =
        read_call(rest, ending).filter(|(call, _)| callable.has(&call.name))
    {
        calls.push(found);
        rest = strip_marks(after);
    }
    let rest = match ending {
        Ending::Cut => "",
        Ending::Whole if calls.is_empty() => reply,
        Ending::Whole => rest,
    };
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

fn read_call(text: &str, ending: Ending) -> Option<(ToolCall, &str)> {
    if !text.starts_with('{') {
        return None;
    }
    let inner = text.strip_prefix('{').filter(|inner| inner.trim_start().starts_with('{'));
    let whole = [Some(text), inner].into_iter().flatten().find_map(read_object);
    match ending {
        Ending::Whole => whole.or_else(|| read_doubled(text)),
        Ending::Cut => whole,
    }
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

    fn offered() -> [String; 3] {
        ["book", "a", "b"].map(str::to_owned)
    }

    fn read_as(callable: Callable, reply: &str, ending: Ending) -> (Vec<ToolCall>, String) {
        let mut gate = ToolGate::new(callable);
        let mut text: String = reply.chars().map(|c| gate.push(&c.to_string())).collect();
        let (calls, rest) = gate.finish(ending);
        text.push_str(&rest);
        (calls, text)
    }

    fn read(reply: &str) -> (Vec<ToolCall>, String) {
        read_as(Callable::lenient(offered()), reply, Ending::Whole)
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
    fn without_functions_everything_is_text() {
        let reply = r#"{"name": "book", "arguments": {"day": "Monday"}}"#;
        let mut gate = ToolGate::default();
        assert_eq!(gate.push(reply), reply);
        assert_eq!(gate.finish(Ending::Whole), (Vec::new(), String::new()));
    }

    #[test]
    fn a_call_of_a_function_that_nobody_offered_is_text() {
        for reply in [
            r#"{"name": "Alice", "age": 30}"#,
            r#"{"arguments": {}, "name": "bookshelf"}"#,
            "<tool_call>{\"name\": \"delete\", \"arguments\": {}}</tool_call>",
        ] {
            assert_eq!(read(reply), (Vec::new(), reply.to_owned()));
        }
        let mut gate = ToolGate::new(Callable::lenient(offered()));
        assert_eq!(
            gate.push("{\"name\": \"Al"),
            "{\"name\": \"Al",
            "told as soon as it is certain"
        );
    }

    #[test]
    fn a_tag_after_words_begins_a_call() {
        let reply =
            "One <b>moment</b>.\n<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call>";
        let (calls, text) = read(reply);
        assert_eq!(calls, [call("a", "{}".to_owned())]);
        assert_eq!(text, "One <b>moment</b>.\n");
    }

    #[test]
    fn where_calls_are_tagged_an_object_is_text() {
        let reply = r#"{"name": "a", "arguments": {}}"#;
        let tagged = || Callable::tagged(offered());
        assert_eq!(read_as(tagged(), reply, Ending::Whole), (Vec::new(), reply.to_owned()));
        let reply = format!("<tool_call>{reply}</tool_call>");
        assert_eq!(read_as(tagged(), &reply, Ending::Whole).0.len(), 1);
    }

    #[test]
    fn a_call_that_was_cut_off_is_neither_made_nor_spoken() {
        let whole = r#"{"name": "a", "arguments": {"x": 1}}"#;
        let callable = || Callable::lenient(offered());
        let part: String = whole.chars().take(30).collect();
        assert_eq!(read_as(callable(), &part, Ending::Cut), (Vec::new(), String::new()));
        let (calls, text) = read_as(callable(), &format!("{whole}\n{part}"), Ending::Cut);
        assert_eq!((calls.len(), text.as_str()), (1, ""));
        assert_eq!(read_as(callable(), "{\n \"na", Ending::Cut).1, "");
        assert_eq!(read_as(callable(), "We op", Ending::Cut).1, "We op");
    }

    #[test]
    fn the_beginning_of_a_call_is_told_once() {
        let mut gate = ToolGate::new(Callable::lenient(offered()));
        gate.push("{\"name\": \"bo");
        assert_eq!(gate.take_beginning(), None);
        gate.push("ok\"");
        assert_eq!(gate.take_beginning(), Some(15));
        assert_eq!(gate.take_beginning(), None);
    }

    #[test]
    fn ordinary_text_is_not_held_back() {
        assert_eq!(ToolGate::new(Callable::lenient(offered())).push("We"), "We");
    }
}
