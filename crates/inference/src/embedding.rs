//! Text embeddings.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{ModelError, lane::Load};

/// The embeddings of some texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// One vector a text, in order; [`TextEmbedder::dimensions`] numbers each, of length 1 (L2).
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts, those that were cut off not counted.
    pub tokens: u32,
}

/// Turns texts into vectors that lie close together when the texts mean the same.
pub trait TextEmbedder: Send + Sync {
    /// Embeds the texts, in one batch as far as the engine allows. A text longer than the model takes is
    /// refused with [`ModelError::BadRequest`], never cut silently. Dropping the future stops the work.
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Embedded, ModelError>>;

    /// Numbers in a vector.
    fn dimensions(&self) -> usize;

    /// How busy the lane is that it works on, where it has one.
    fn lane_load(&self) -> Option<Arc<Load>> {
        None
    }
}
