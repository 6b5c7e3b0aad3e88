//! Speech to text with Whisper: whisper.cpp in a module of its own, one lane, one window at a time.

mod abi;
mod config;
mod engine;
mod evidence;
mod fit;
mod loudness;
mod module;
mod recognizer;
mod turn;

pub use config::WhisperConfig;
pub use recognizer::Whisper;
