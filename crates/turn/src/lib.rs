//! Who speaks when: the conversation as a pure state machine. No clock, no I/O, no models.

#![expect(missing_docs, reason = "struct variants name their fields")]
mod vocabulary;

pub use vocabulary::{
    Ask, Command, Decision, Digit, Ear, Event, Evidence, Heard, IgnoreReason, Input, Mark, Output,
    ReplyCause, ReplyId, Spoken, TurnEndReason, TurnId, WordTime,
};
