//! Whisper on the CPU: its weights as 8-bit numbers, its layers by kernels that keep a processor's
//! vector units busy, its windows as long as their sound.
//!
//! What is here computes and knows no streams: `trunkline-whisper` is the backend.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "weights, samples and probabilities travel between f32, 8-bit numbers and indices, all far from their limits"
)]

mod kernel;
mod whisper;

pub use whisper::{Piece, Scribe, Sizes, Task, Transcribed, Urgency, Whisper, Word, footprint};
