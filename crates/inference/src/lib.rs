//! Models that hear, answer and speak: one trait a modality, and the lane that turns a blocking
//! engine into streams.
//!
//! Opening a stream cannot fail: failures are items. **Dropping the stream is the only
//! cancellation**; the lane frees the slot at its next step.

pub mod admission;
mod audience;
pub mod budget;
pub mod capacity;
pub mod catalog;
pub mod chat;
pub mod device;
mod devices;
pub mod embedding;
pub mod end_of_turn;
pub mod error;
pub mod lane;
pub mod moderation;
mod replicas;
pub mod schedule;
pub mod speaker;
pub mod speakers;
pub mod speech;
pub mod transcript;
pub mod voice_activity;
pub mod weights;

pub use audience::{Audience, Party, ReplyProgress};
pub use chat::{
    Candidate, Chat, ChatModel, ChatOptions, Completion, FinishReason, Message, Overflow,
    ReplyPiece, ReplyStream, Role, TextFormat, TokenLogprobs, Tool, ToolCall, ToolChoice,
    cache_salt,
};
pub use device::Device;
pub use devices::Devices;
pub use embedding::{Embedded, TextEmbedder};
pub use end_of_turn::EndOfTurn;
pub use error::ModelError;
pub use lane::{Engine, Lane, Priority, Progress, SlotId, Slots};
pub use moderation::Moderation;
pub use replicas::Replicas;
pub use speaker::SpeakerEncoder;
pub use speakers::{Speakers, VoicedPart};
pub use speech::{
    Clause, ClauseStream, SpeechPiece, SpeechStream, TextToSpeech, Voice, WordTiming,
};
pub use transcript::{
    HearingStream, Segment, SpeechToText, SttDetail, SttInput, SttOptions, SttTask, SttToken,
    Transcript, TranscriptStream, Word,
};
pub use voice_activity::{VadScore, VadStream, VoiceActivity};

use std::pin::Pin;

use futures::Stream;

/// A boxed stream of pieces or failures.
pub type ModelStream<T> = Pin<Box<dyn Stream<Item = Result<T, ModelError>> + Send>>;
