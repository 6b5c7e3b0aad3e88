//! Whose voice it is.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{ModelError, lane::Load};

/// Turns speech into vectors that lie close together when the same person speaks.
pub trait SpeakerEncoder: Send + Sync {
    /// The voice in `samples`, 16 kHz mono, as a vector of length 1 (L2). One person should speak and
    /// silence be left out; below about a second the vector says little. No samples at all are refused
    /// with [`ModelError::BadRequest`]. Dropping the future stops the work.
    fn embed(&self, samples: Arc<[i16]>) -> BoxFuture<'_, Result<Vec<f32>, ModelError>>;

    /// How busy the lane is that it works on, where it has one.
    fn lane_load(&self) -> Option<Arc<Load>> {
        None
    }
}
