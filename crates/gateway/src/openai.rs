//! The OpenAI-compatible API: the same models as on calls, for programs that speak OpenAI's HTTP.

pub mod aliases;
pub mod api;
pub(crate) mod audio;
pub(crate) mod body;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
mod format;
mod history;
mod logprobs;
pub(crate) mod models;
pub(crate) mod moderations;
mod part;
mod reply;
pub(crate) mod responses;
mod sampling;
pub mod served;
pub(crate) mod sse;
mod stamp;
mod text_or;
mod tools;

pub use api::Api;
pub use served::{Named, Served};
