//! What a program at the caller's end may order, beyond what a telephone can. A Realtime client does.

use std::{sync::Arc, time::Duration};

use trunkline_inference::{Message, Tool, ToolChoice, Voice};
use trunkline_turn::{ReplyId, TurnId};

use crate::Agent;

/// Names an item of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKey {
    /// What the caller said in a turn.
    Turn(TurnId),
    /// What was heard of a reply's words.
    Reply(ReplyId),
    /// A function that a reply wanted called, counted from 0.
    Call(ReplyId, u32),
    /// What the leg put in; it chooses the number.
    Placed(u64),
}

/// Whether a reply is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modality {
    /// It is.
    #[default]
    Audio,
    /// It is only written: told as [`News::Wrote`](crate::News::Wrote).
    Text,
}

/// An order. One that cannot be carried out is answered by [`News::Refused`](crate::News::Refused)
/// and changes nothing.
#[derive(Clone, Debug)]
pub enum Direction {
    /// The call goes on with this agent; a reply under way stays as it is.
    Become(Arc<Agent>),
    /// The caller's turn is over: what was heard since the last commit or clear is it. It is
    /// transcribed and told as [`News::TurnEnded`](crate::News::TurnEnded); no reply follows by itself.
    CommitTurn,
    /// What was heard since the last commit is thrown away.
    ClearTurn,
    /// Reply now, to the chat as it is.
    Reply(Box<ReplyOrder>),
    /// Stop the reply, or this one if one is named.
    StopReply(Option<ReplyId>),
    /// Put a message into the chat: behind the item named, else at the end.
    Insert {
        /// Its number: [`ItemKey::Placed`].
        item: u64,
        /// The item before it; at the beginning for `Some(None)`.
        after: Option<Option<ItemKey>>,
        /// The message; text only, or the function calls of an assistant, or a function's result.
        message: Message,
    },
    /// Take an item out of the chat.
    Remove(ItemKey),
    /// The caller heard no more of a reply than this much of its sound: the chat keeps the words that
    /// end by then.
    Truncate {
        /// The reply.
        reply: ReplyId,
        /// How much of its sound was heard.
        heard: Duration,
    },
}

/// A reply that is asked for. What is `None` is as the agent has it.
#[derive(Clone, Debug, Default)]
pub struct ReplyOrder {
    /// Comes back in the news of the reply.
    pub tag: u64,
    /// Instead of the agent's instructions.
    pub instructions: Option<String>,
    /// Instead of the agent's tools and when it calls them.
    pub tools: Option<(Vec<Tool>, ToolChoice)>,
    /// Instead of the agent's.
    pub modality: Option<Modality>,
    /// Instead of the agent's.
    pub voice: Option<Voice>,
    /// The most tokens.
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f32>,
    /// Instead of the chat so far: the reply is made from these messages alone.
    pub input: Option<Vec<Message>>,
    /// Whether the reply stays out of the chat. One that is also only written runs beside other replies.
    pub is_aside: bool,
}
