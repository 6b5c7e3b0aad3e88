//! Chat with a local LLM through llama.cpp.
//!
//! [`Llama`] is one model on one lane thread. It evaluates several replies in one batch, keeps what
//! it evaluated so that the next turn of a call starts where the last one ended, and stops within
//! one token when a reply's stream is dropped.

mod config;
mod constraint;
mod cores;
mod engine;
mod evaluator;
mod footprint;
mod gguf;
mod libraries;
mod llama;
mod logprobs;
mod logs;
mod native;
mod network;
mod plan;
mod prefix;
mod prompt;
#[cfg(test)]
mod real_tests;
mod sampling;
mod template;
#[cfg(test)]
mod testbed;
mod text;
mod vocabulary;
mod weights;

pub use config::{Kernels, LlamaConfig};
pub use footprint::footprint;
pub use llama::Llama;
