//! Silero VAD, smart-turn, Piper, Kokoro and MiniLM through ONNX Runtime.
//!
//! Each model has a lane thread of its own. The runtime's library is loaded from a path, once a
//! process; espeak-ng, which knows how words sound, is only ever a separate process.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "samples and sizes of tensors travel between i16, f32, i64 and indices, all far from their limits"
)]
#![cfg_attr(test, expect(clippy::float_cmp, reason = "what is only copied comes back equal"))]

mod espeak;
pub mod footprint;
mod kokoro;
mod minilm;
mod piper;
mod runtime;
mod silero;
mod smart_turn;
mod voice;

pub use kokoro::{Kokoro, KokoroConfig};
pub use minilm::{MiniLm, MiniLmConfig};
pub use piper::{Piper, PiperConfig};
pub use runtime::Runtime;
pub use silero::{SileroConfig, SileroVad};
pub use smart_turn::{SmartTurn, SmartTurnConfig};

#[cfg(test)]
mod real_memory;
#[cfg(test)]
mod testbed;
