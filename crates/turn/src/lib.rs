//! Who speaks when: the conversation as a pure state machine. No clock, no I/O, no models.

#![expect(missing_docs, reason = "struct variants name their fields")]
mod backchannel;
mod caller_turn;
mod clauses;
mod config;
mod conversation;
mod detector;
pub mod dictation;
mod gate;
mod overlap;
mod patience;
mod reply;
mod transcript;
mod vocabulary;
mod words;

pub use config::{
    LimitsConfig, OnFailure, OverlapConfig, Script, SilenceConfig, Taking, TurnConfig,
};
pub use conversation::Conversation;
pub use detector::{DetectorConfig, SpeechDetector, SpeechEdge};
pub use gate::{GateConfig, StrongEvidence, judge};
pub use overlap::{Sound, classify};
pub use patience::{PatienceConfig, TextEnd, patience, text_end};
pub use transcript::{Said, Transcript};
pub use vocabulary::{
    Ask, Command, Decision, Digit, Ear, Event, Evidence, Heard, IgnoreReason, Input, ItemKey, Mark,
    Order, Output, Place, Refused, ReplyCause, ReplyId, Spoken, TurnEndReason, TurnId, WordTime,
};
