//! The OpenAI-compatible API: the same models as on calls, for programs that speak OpenAI's HTTP.

pub mod aliases;
pub mod api;
pub(crate) mod body;
pub(crate) mod models;
pub mod served;
pub(crate) mod sse;

pub use api::Api;
pub use served::{Named, Served};
