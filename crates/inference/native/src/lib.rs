//! Whisper and language models on the CPU: their weights as whole numbers of 4 to 8 bits, their layers by
//! kernels that keep a edges's vector units busy.
//!
//! What is here computes and knows no streams: `trunkline-whisper` and `trunkline-llama` are the backends.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "weights, samples and probabilities travel between f32, 8-bit numbers and indices, all far from their limits"
)]

mod kernel;
mod language;
mod whisper;

pub use language::{
    Halt, LanguageModel, LanguageSizes, Pairs, Reader, Room, Row, Tensor, Threads, is_matrix_kind,
    matrix_bytes,
};
pub use whisper::{
    Came, Edges, ModelFile, Network, Piece, Scribe, Sizes, Task, Text, Transcribed, Urgency,
    Whisper, Window, Word, footprint,
};
