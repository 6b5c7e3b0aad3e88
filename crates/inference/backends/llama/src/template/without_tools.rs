//! Functions for models whose template knows nothing of them: told in the instructions, calls and
//! results as text.

use serde_json::{Value, json};
use trunkline_inference::{Message, Role, Tool, ToolCall};

use super::json;

/// The messages with functions, calls and results in words.
pub(super) fn in_words(messages: &[Message], tools: &[Tool]) -> Vec<Message> {
    let mut out: Vec<Message> = messages.iter().map(said).collect();
    if tools.is_empty() {
        return out;
    }
    let told = instructions(tools);
    match out.first_mut() {
        Some(first) if first.role == Role::System => {
            first.content = format!("{}\n\n{told}", first.content);
        }
        Some(_) | None => out.insert(0, Message::new(Role::System, told)),
    }
    out
}

fn instructions(tools: &[Tool]) -> String {
    let lines: Vec<String> = tools.iter().map(line).collect();
    format!(
        "You can call these functions:\n{}\nTo call one, reply with nothing but a JSON object: \
         {{\"name\": its name, \"arguments\": an object of its arguments}}. You are then told its \
         result. Otherwise reply in words.",
        lines.join("\n")
    )
}

fn line(tool: &Tool) -> String {
    json::one_line(&json!({
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }))
}

fn said(message: &Message) -> Message {
    if message.role == Role::Tool {
        return Message::new(Role::User, format!("Result of the function: {}", message.content));
    }
    let texts = std::iter::once(message.content.clone()).filter(|text| !text.is_empty());
    let texts: Vec<String> = texts.chain(message.tool_calls.iter().map(call_text)).collect();
    Message::new(message.role, texts.join("\n"))
}

fn call_text(call: &ToolCall) -> String {
    let arguments = serde_json::from_str::<Value>(&call.arguments)
        .unwrap_or_else(|_| Value::from(call.arguments.as_str()));
    json::one_line(&json!({"name": call.name, "arguments": arguments}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_functions_nothing_is_added() {
        let messages = [Message::new(Role::System, "Be brief."), Message::new(Role::User, "Hi")];
        assert_eq!(in_words(&messages, &[]), messages);
    }

    #[test]
    fn a_chat_without_instructions_gets_some() {
        let tool = Tool {
            name: "time".to_owned(),
            description: "Tells the time.".to_owned(),
            parameters: json!({}),
        };
        let told = in_words(&[Message::new(Role::User, "Hi")], &[tool]);
        assert_eq!((told[0].role, told[1].content.as_str()), (Role::System, "Hi"));
        assert!(told[0].content.contains(r#"{"name": "time", "description": "Tells the time.""#));
    }

    #[test]
    fn a_call_stands_after_the_words_it_came_with() {
        let call = ToolCall { name: "time".to_owned(), arguments: "{\"zone\":\"UTC\"}".to_owned() };
        let message = Message::new(Role::Assistant, "A moment.");
        let said = said(&Message { tool_calls: vec![call], ..message });
        assert_eq!(
            said.content,
            "A moment.\n{\"name\": \"time\", \"arguments\": {\"zone\": \"UTC\"}}"
        );
        assert_eq!(said.tool_calls, []);
    }
}
