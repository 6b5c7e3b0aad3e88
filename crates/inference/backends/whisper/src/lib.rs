//! Speech to text with Whisper: whisper.cpp in a module of its own, one lane, one window at a time.

mod abi;
mod config;
mod engine;
mod evidence;
mod fit;
mod loudness;
mod module;
mod passages;
mod recognizer;
mod turn;
mod understood;
mod words;

pub use config::WhisperConfig;
pub use recognizer::Whisper;
