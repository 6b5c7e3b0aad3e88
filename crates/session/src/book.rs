//! What is in a chat beside what was said and heard: messages that a program at the caller's end put in,
//! and functions that replies wanted called.

use std::collections::HashMap;

use trunkline_inference::{Message, Role, ToolCall};
use trunkline_turn::{ItemKey, ReplyId, Said, Transcript};

/// The contents of items that the transcript only names.
#[derive(Debug, Default)]
pub(crate) struct Book {
    placed: HashMap<u64, Message>,
    calls: HashMap<(ReplyId, u32), ToolCall>,
}

impl Book {
    pub(crate) fn place(&mut self, item: u64, message: Message) {
        self.placed.insert(item, message);
    }

    pub(crate) fn call(&mut self, reply: ReplyId, index: u32, call: ToolCall) {
        self.calls.insert((reply, index), call);
    }

    pub(crate) fn remove(&mut self, item: ItemKey) {
        match item {
            ItemKey::Placed(item) => drop(self.placed.remove(&item)),
            ItemKey::Call(reply, index) => drop(self.calls.remove(&(reply, index))),
            ItemKey::Turn(_) | ItemKey::Reply(_) => {}
        }
    }

    /// The chat as the caller knows it: what was said and what was heard, and what was put between.
    pub(crate) fn messages(&self, transcript: &Transcript) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        for said in transcript.messages() {
            match said {
                Said::Caller(text) => messages.push(Message::new(Role::User, text)),
                Said::Agent { text, .. } => messages.push(Message::new(Role::Assistant, text)),
                Said::Placed(item) => messages.extend(self.placed.get(&item).cloned()),
                Said::Called { reply, index } => {
                    if let Some(call) = self.calls.get(&(reply, index)) {
                        add_call(&mut messages, call.clone());
                    }
                }
            }
        }
        messages
    }
}

/// Words and calls of the model in a row are one message of it: templates want turns to alternate.
fn add_call(messages: &mut Vec<Message>, call: ToolCall) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
        Some(_) | None => {
            let mut message = Message::new(Role::Assistant, "");
            message.tool_calls.push(call);
            messages.push(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use trunkline_turn::{Conversation, Event, Input, Output, Place, Script, TurnConfig};

    use super::*;

    const REPLY: ReplyId = ReplyId(1);

    /// A chat with a message, two calls of its first reply, and a result behind them.
    fn chat() -> (Book, Conversation) {
        let script = Script { greeting: "Hello.".into(), ..Script::default() };
        let mut conversation = Conversation::new(TurnConfig::default(), script);
        let mut book = Book::default();
        book.place(1, Message::new(Role::User, "Is it raining?"));
        book.place(2, Message::new(Role::Tool, "{}"));
        let call = |name: &str| ToolCall { name: name.into(), arguments: "{}".into() };
        book.call(REPLY, 0, call("look"));
        book.call(REPLY, 1, call("listen"));
        let inputs = [
            Input::Answered,
            Input::ItemPlaced { item: 1, place: Place::First },
            Input::ToolCalled { reply: REPLY, index: 0 },
            Input::ToolCalled { reply: REPLY, index: 1 },
        ];
        for input in inputs {
            conversation.handle(Instant::now(), input);
        }
        drain(&mut conversation);
        conversation.handle(Instant::now(), Input::ItemPlaced { item: 2, place: Place::Last });
        drain(&mut conversation);
        (book, conversation)
    }

    fn drain(conversation: &mut Conversation) {
        while !matches!(conversation.poll(), Output::Wait(_)) {}
        let refused = Event::Refused { order: None, refusal: trunkline_turn::Refused::NoSuchItem };
        assert_ne!(conversation.poll(), Output::Event(refused));
    }

    #[test]
    fn calls_in_a_row_are_one_message_between_what_was_put_in() {
        let (book, conversation) = chat();
        let messages = book.messages(conversation.transcript());
        let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool]);
        let names: Vec<&str> = messages[1].tool_calls.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["look", "listen"]);
    }

    #[test]
    fn what_the_book_has_not_is_not_in_the_chat() {
        let (mut book, conversation) = chat();
        for item in [ItemKey::Placed(1), ItemKey::Call(REPLY, 0), ItemKey::Reply(REPLY)] {
            book.remove(item);
        }
        let messages = book.messages(conversation.transcript());
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].tool_calls[0].name, "listen");
    }
}
