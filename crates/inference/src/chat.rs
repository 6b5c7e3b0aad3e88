//! Chat with a language model.

use std::sync::Arc;

use crate::{ModelStream, lane::Load};

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions.
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// Its text.
    pub content: String,
}

/// How to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatOptions {
    /// The most tokens to generate; 0 only evaluates the prompt, so that a later reply starts sooner.
    pub max_tokens: u32,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f32,
    /// Nucleus sampling.
    pub top_p: f32,
    /// Texts that end the reply; not part of it.
    pub stop: Vec<String>,
    /// Makes sampling repeatable.
    pub seed: u32,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { max_tokens: 200, temperature: 0.0, top_p: 1.0, stop: Vec::new(), seed: 0 }
    }
}

/// A chat to be continued by the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chat {
    /// The messages, oldest first. When they do not fit the context, the oldest after the
    /// system message are left out.
    pub messages: Vec<Message>,
    /// How to answer.
    pub options: ChatOptions,
    /// Whose cached prompt may be reused: calls with different salts share nothing.
    pub cache_salt: u64,
}

/// A function that the model wants called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, a JSON object as text.
    pub arguments: String,
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyPiece {
    /// More text.
    Text(String),
    /// A function to call.
    ToolCall(ToolCall),
    /// The last piece: what the reply took.
    Usage {
        /// Tokens of the prompt.
        prompt: u32,
        /// Those of them that were evaluated before.
        cached: u32,
        /// Tokens generated.
        generated: u32,
    },
}

/// A reply as it is generated.
pub type ReplyStream = ModelStream<ReplyPiece>;

/// Continues chats.
pub trait ChatModel: Send + Sync {
    /// Begins to reply. Dropping the stream stops within one token.
    fn reply(&self, chat: Chat) -> ReplyStream;

    /// How busy the lane is that it works on, where it has one.
    fn lane_load(&self) -> Option<Arc<Load>> {
        None
    }
}
