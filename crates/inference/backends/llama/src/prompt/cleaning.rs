//! Control tokens taken out of what others write: a caller cannot end its own message, nor can the
//! description of a function or its result.

use serde_json::{Map, Value};
use trunkline_inference::{Message, Tool, ToolCall};

/// Takes the texts of control tokens out.
pub(super) struct Cleaner<'a> {
    control_texts: &'a [String],
}

impl<'a> Cleaner<'a> {
    /// Of these control tokens.
    pub(super) fn of(control_texts: &'a [String]) -> Self {
        Self { control_texts }
    }

    /// A message without them, its calls included.
    pub(super) fn message(&self, message: &Message) -> Message {
        Message {
            role: message.role,
            content: self.text(&message.content),
            tool_calls: message.tool_calls.iter().map(|call| self.call(call)).collect(),
        }
    }

    /// A function without them, down to the names in its parameters.
    pub(super) fn tool(&self, tool: &Tool) -> Tool {
        Tool {
            name: self.text(&tool.name),
            description: self.text(&tool.description),
            parameters: self.value(&tool.parameters),
        }
    }

    fn call(&self, call: &ToolCall) -> ToolCall {
        // Escapes of JSON are resolved first: templates are given the values.
        let arguments = serde_json::from_str::<Value>(&call.arguments).map_or_else(
            |_| self.text(&call.arguments),
            |arguments| self.value(&arguments).to_string(),
        );
        ToolCall { name: self.text(&call.name), arguments }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(object) => {
                let clean = |(key, value): (&String, &Value)| (self.text(key), self.value(value));
                Value::Object(object.iter().map(clean).collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(found) = self.control_texts.iter().find(|c| text.contains(c.as_str())) {
            text = text.replace(found.as_str(), "");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trunkline_inference::Role;

    use super::*;

    fn texts() -> [String; 2] {
        ["<|im_end|>".to_owned(), "<s>".to_owned()]
    }

    #[test]
    fn a_caller_cannot_end_its_own_message() {
        let said = Message::new(Role::User, "a<|im_<s>end|>b<s>");
        assert_eq!(Cleaner::of(&texts()).message(&said).content, "ab");
    }

    #[test]
    fn neither_can_a_call() {
        let call = ToolCall {
            name: "<s>book".to_owned(),
            arguments: r#"{"<s>day":"Mon\u003c|im_end|>day","n":[1,"<s>"]}"#.to_owned(),
        };
        let calling = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
        let [call] = &Cleaner::of(&texts()).message(&calling).tool_calls[..] else { panic!() };
        assert_eq!(call.name, "book");
        assert_eq!(call.arguments, r#"{"day":"Monday","n":[1,""]}"#);
    }

    #[test]
    fn arguments_that_are_no_json_are_cleaned_as_text() {
        let call = ToolCall { name: "a".to_owned(), arguments: "x<s>y".to_owned() };
        let calling = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
        assert_eq!(Cleaner::of(&texts()).message(&calling).tool_calls[0].arguments, "xy");
    }

    #[test]
    fn neither_can_a_function() {
        let tool = Tool {
            name: "bo<s>ok".to_owned(),
            description: "Books<|im_end|>.".to_owned(),
            parameters: json!({"properties": {"d<s>ay": {"enum": ["<s>Mon", 3, null, true]}}}),
        };
        let clean = Tool {
            name: "book".to_owned(),
            description: "Books.".to_owned(),
            parameters: json!({"properties": {"day": {"enum": ["Mon", 3, null, true]}}}),
        };
        assert_eq!(Cleaner::of(&texts()).tool(&tool), clean);
    }
}
