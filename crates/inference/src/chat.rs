//! Chat with a language model.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use crate::{ModelError, ModelStream, Party, lane::Load};

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
    /// The functions that the model wanted called in it; none but in the model's own messages.
    pub tool_calls: Vec<ToolCall>,
}

impl Message {
    /// A message that is only text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new() }
    }
}

/// A function that the model may want called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model; may be empty.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub parameters: Value,
}

/// Whether the model may, must or must not call a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// It must answer in words.
    None,
    /// It must call at least one.
    Required,
    /// It must call the one of this name.
    Function(String),
}

/// What the text of a reply must be. Holds for every reply that ends by itself: one that reaches
/// `max_tokens` is cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TextFormat {
    /// Anything.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that is valid against this JSON Schema.
    JsonSchema(Value),
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
    /// Taken from the logit of a token once for each time that the reply has it, -2..=2.
    pub frequency_penalty: f32,
    /// Taken from the logit of a token that the reply has, -2..=2.
    pub presence_penalty: f32,
    /// Added to the logits of these tokens (the model's own numbers), -100..=100.
    pub logit_bias: Vec<(u32, f32)>,
    /// Has the reply carry [`ReplyPiece::Logprobs`] with so many alternatives for each token, 0..=20.
    pub top_logprobs: Option<u8>,
    /// What the text must be.
    pub format: TextFormat,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            max_tokens: 200,
            temperature: 0.0,
            top_p: 1.0,
            stop: Vec::new(),
            seed: 0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            top_logprobs: None,
            format: TextFormat::Text,
        }
    }
}

/// What becomes of a chat that is longer than the model's context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest messages after the system message are left out: a call goes on.
    #[default]
    DropOldest,
    /// [`ModelError::TooLong`]: who sent it decides what to leave out.
    Refuse,
}

/// A chat to be continued by the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chat {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The functions that the model knows.
    pub tools: Vec<Tool>,
    /// Whether it calls them.
    pub tool_choice: ToolChoice,
    /// How to answer.
    pub options: ChatOptions,
    /// Whose cached prompt may be reused: calls with different salts share nothing.
    pub cache_salt: u64,
    /// What happens when it does not fit the context.
    pub overflow: Overflow,
    /// For whom the reply is.
    pub party: Party,
}

/// The [`Chat::cache_salt`] of whoever this is. Each process has a key of its own, so that nobody can work out
/// a name that has another's salt.
pub fn cache_salt(of: impl Hash) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(of)
}

/// A text to be continued by the model, without any template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The text.
    pub prompt: String,
    /// How to go on.
    pub options: ChatOptions,
    /// As in [`Chat::cache_salt`].
    pub cache_salt: u64,
    /// For whom it is.
    pub party: Party,
}

/// A function that the model wants called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, a JSON object as text.
    pub arguments: String,
}

/// A token that might stand at some place of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its bytes; they may end inside a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability, before temperature, penalties and masks.
    pub logprob: f32,
}

/// A token of a reply and what else might have stood there.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The token that was chosen.
    pub chosen: Candidate,
    /// The most probable tokens, most probable first.
    pub top: Vec<Candidate>,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// The model had no more to say, or a stop text came.
    #[default]
    Stop,
    /// It was as long as it may be, or as the context allows.
    Length,
    /// The model wants functions called.
    ToolCalls,
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyPiece {
    /// More text.
    Text(String),
    /// A function to call.
    ToolCall(ToolCall),
    /// The tokens since the last such piece, only with [`ChatOptions::top_logprobs`]. Comes before
    /// the text that they complete.
    Logprobs(Vec<TokenLogprobs>),
    /// The last piece: what the reply took.
    Usage {
        /// Tokens of the prompt.
        prompt: u32,
        /// Those of them that were evaluated before.
        cached: u32,
        /// Tokens generated.
        generated: u32,
        /// Why it ended.
        finish: FinishReason,
    },
}

/// A reply as it is generated.
pub type ReplyStream = ModelStream<ReplyPiece>;

/// Continues chats.
pub trait ChatModel: Send + Sync {
    /// Begins to reply. Dropping the stream stops within one token.
    fn reply(&self, chat: Chat) -> ReplyStream;

    /// Begins to continue a text. [`ModelError::BadRequest`] where the model can only chat.
    fn complete(&self, completion: Completion) -> ReplyStream {
        drop(completion);
        let refusal = "this model continues chats, not texts: use /v1/chat/completions";
        Box::pin(futures::stream::iter([Err(ModelError::BadRequest(refusal.to_owned()))]))
    }

    /// How many tokens the chat's prompt has; `None` where the model cannot tell without answering.
    fn count_tokens(&self, chat: &Chat) -> Option<u32> {
        let _ = chat;
        None
    }

    /// How busy the lanes are that it works on.
    fn lane_loads(&self) -> Vec<Arc<Load>> {
        Vec::new()
    }
}
