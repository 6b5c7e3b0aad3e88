//! Speech to text with Whisper, one lane, several windows at a time: on the CPU by kernels of our own, on a
//! GPU by whisper.cpp in a module of its own.

mod abi;
mod config;
mod engine;
mod evidence;
mod fit;
mod footprint;
mod loudness;
mod module;
mod native;
mod network;
mod passages;
mod recognize;
mod recognizer;
mod turn;
mod understood;
mod words;

pub use config::WhisperConfig;
pub use footprint::footprint;
pub use recognizer::Whisper;
