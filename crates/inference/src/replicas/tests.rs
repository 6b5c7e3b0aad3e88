//! Copies that answer with their number, and one that breaks down.

use futures::{StreamExt, executor::block_on, stream};

use super::*;
use crate::{Message, ReplyPiece};

/// Says its number, or fails.
struct Numbered(usize, bool);

impl ChatModel for Numbered {
    fn reply(&self, _: Chat) -> ReplyStream {
        let said = if self.1 {
            Err(ModelError::Engine { engine: "llama", reason: "the device is lost".into() })
        } else {
            Ok(ReplyPiece::Text(self.0.to_string()))
        };
        Box::pin(stream::iter([said]))
    }
}

fn replicas(broken: usize) -> Replicas<dyn ChatModel> {
    let copy = |number| Arc::new(Numbered(number, number == broken)) as Arc<dyn ChatModel>;
    Replicas::new((0..3).map(copy).collect())
}

fn chat(words: &[(Role, &str)]) -> Chat {
    let messages = words.iter().map(|(role, text)| Message::new(*role, *text)).collect();
    Chat { messages, ..Chat::default() }
}

fn said(reply: ReplyStream) -> Result<String, ModelError> {
    let pieces = block_on(reply.collect::<Vec<_>>());
    let text = |piece| match piece {
        Ok(ReplyPiece::Text(text)) => Ok(text),
        Ok(_) => Ok(String::new()),
        Err(error) => Err(error),
    };
    pieces.into_iter().map(text).collect()
}

#[test]
fn the_turns_of_a_conversation_are_answered_by_one_copy() {
    let replicas = replicas(9);
    let begins = [(Role::System, "You are kind."), (Role::User, "Hello?")];
    let goes_on =
        [&begins[..], &[(Role::Assistant, "Hi!"), (Role::User, "Are you open?")]].concat();
    let open = replicas.reply(chat(&[(Role::User, "somebody else")]));
    assert_eq!(said(replicas.reply(chat(&begins))).unwrap(), "1");
    drop(open);
    assert_eq!(said(replicas.reply(chat(&goes_on))).unwrap(), "1");
    assert_eq!(said(replicas.reply(chat(&[(Role::User, "a third one")]))).unwrap(), "0");
}

#[test]
fn after_a_failure_others_are_asked() {
    let replicas = replicas(0);
    let ask = |words| said(replicas.reply(chat(&[(Role::User, words)])));
    assert!(ask("Hello?").is_err());
    assert_eq!(ask("Hello?").unwrap(), "1");
    assert_eq!(ask("And another?").unwrap(), "1");
}

#[test]
fn another_s_conversation_is_another_one() {
    let mut theirs = chat(&[(Role::User, "Hello?")]);
    let ours = conversation(&theirs);
    theirs.cache_salt = 5;
    assert_ne!(ours, conversation(&theirs));
}
