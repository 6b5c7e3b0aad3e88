//! What was said before, as a chat for the model.

use trunkline_inference::{Message, Role, ToolCall};

/// One thing that was said, called or returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message.
    Said { role: Role, text: String },
    /// The model wanted a function called.
    Called { id: String, call: ToolCall },
    /// The function returned.
    Returned { id: String, output: String },
}

impl Entry {
    pub(crate) fn said(role: Role, text: impl Into<String>) -> Self {
        Self::Said { role, text: text.into() }
    }
}

/// The entries as messages: calls belong to the model's message before them, and what they returned comes
/// in the order of the calls, because templates tell results apart by their place.
pub(crate) fn messages(entries: impl IntoIterator<Item = Entry>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut open = Open::default();
    for entry in entries {
        match entry {
            Entry::Said { role, text } => {
                open.close(&mut messages);
                messages.push(Message::new(role, text));
            }
            Entry::Called { id, call } => {
                open.close_if_returned(&mut messages);
                match messages.last_mut() {
                    Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
                    Some(_) | None => messages.push(Message {
                        tool_calls: vec![call],
                        ..Message::new(Role::Assistant, "")
                    }),
                }
                open.calls.push(id);
            }
            Entry::Returned { id, output } => open.returned.push((id, output)),
        }
    }
    open.close(&mut messages);
    messages
}

/// Calls and what came back of them so far.
#[derive(Default)]
struct Open {
    calls: Vec<String>,
    returned: Vec<(String, String)>,
}

impl Open {
    fn close_if_returned(&mut self, messages: &mut Vec<Message>) {
        if !self.returned.is_empty() {
            self.close(messages);
        }
    }

    fn close(&mut self, messages: &mut Vec<Message>) {
        let calls = std::mem::take(&mut self.calls);
        let place = |id: &str| calls.iter().position(|call| call == id).unwrap_or(calls.len());
        let mut returned = std::mem::take(&mut self.returned);
        returned.sort_by_key(|(id, _)| place(id));
        messages.extend(returned.into_iter().map(|(_, output)| Message::new(Role::Tool, output)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(id: &str) -> Entry {
        let call = ToolCall { name: id.to_owned(), arguments: "{}".to_owned() };
        Entry::Called { id: id.to_owned(), call }
    }

    fn returned(id: &str) -> Entry {
        Entry::Returned { id: id.to_owned(), output: format!("of {id}") }
    }

    /// `role:text[calls]` of each message.
    fn check(entries: Vec<Entry>, expected: &[&str]) {
        let shown = |message: Message| {
            let calls: Vec<_> = message.tool_calls.iter().map(|call| call.name.as_str()).collect();
            format!("{:?}:{}{calls:?}", message.role, message.content)
        };
        assert_eq!(messages(entries).into_iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn results_come_in_the_order_of_their_calls() {
        check(
            vec![
                Entry::said(Role::User, "hi"),
                called("a"),
                called("b"),
                returned("b"),
                returned("x"),
                returned("a"),
                Entry::said(Role::User, "and?"),
            ],
            &[
                "User:hi[]",
                "Assistant:[\"a\", \"b\"]",
                "Tool:of a[]",
                "Tool:of b[]",
                "Tool:of x[]",
                "User:and?[]",
            ],
        );
    }

    #[test]
    fn calls_belong_to_the_words_before_them_and_not_to_those_before_a_result() {
        check(
            vec![
                Entry::said(Role::Assistant, "let me see"),
                called("a"),
                returned("a"),
                called("b"),
                returned("b"),
            ],
            &["Assistant:let me see[\"a\"]", "Tool:of a[]", "Assistant:[\"b\"]", "Tool:of b[]"],
        );
    }
}
