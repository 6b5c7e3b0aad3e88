//! Silero VAD, smart-turn, Piper and Kokoro through ONNX Runtime.

mod runtime;
mod silero;

pub use runtime::Runtime;
pub use silero::{SileroConfig, SileroVad};

#[cfg(test)]
mod testbed;
