//! End of turn: has the caller finished, or only paused?

use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use crate::{ModelError, lane::Load};

/// Judges by the sound of the last seconds whether the caller has finished.
pub trait EndOfTurn: Send + Sync {
    /// The probability, 0..=1, that the speaker has finished. `tail` is 16 kHz mono, the last 8 s at
    /// the most, silence included. Nothing waits for the answer before `needed`, so the work may be put
    /// off while it would keep processors from other work of the same turn.
    fn score(
        &self,
        tail: Arc<[i16]>,
        needed: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>>;

    /// How busy the lane is that it works on, where it has one.
    fn lane_load(&self) -> Option<Arc<Load>> {
        None
    }
}
