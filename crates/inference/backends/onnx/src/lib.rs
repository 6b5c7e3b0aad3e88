//! Silero VAD, smart-turn, Piper and Kokoro through ONNX Runtime.

mod espeak;
mod kokoro;
mod piper;
mod runtime;
mod silero;
mod smart_turn;
mod voice;

pub use kokoro::{Kokoro, KokoroConfig};
pub use piper::{Piper, PiperConfig};
pub use runtime::Runtime;
pub use silero::{SileroConfig, SileroVad};
pub use smart_turn::{SmartTurn, SmartTurnConfig};

#[cfg(test)]
mod testbed;
