//! Conversations as timelines in virtual time, and properties of every conversation.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answering;
mod directed;
mod ending;
mod listening;
mod overlap;
mod properties;
mod stage;
