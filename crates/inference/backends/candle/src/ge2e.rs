//! Whose voice it is, by the GE2E encoder that Resemblyzer publishes.

mod engine;
mod footprint;
mod partials;

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use rayon::ThreadPoolBuilder;
use trunkline_inference::{Lane, ModelError, Priority, SpeakerEncoder, lane::Load};

pub use self::footprint::footprint;

use self::engine::SpeakerEngine;
use crate::network::Encoder;

/// The engine's name in errors and thread lists.
const ENGINE: &str = "speaker-encoder";

/// Where the encoder is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ge2eConfig {
    /// `pretrained.pt` of Resemblyzer 0.1 (one file, 17 MB; the encoder itself is a third of it).
    pub model: PathBuf,
    /// Threads that compute; 1 by default.
    pub threads: usize,
}

impl Ge2eConfig {
    /// The defaults for the model at `model`.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self { model: model.into(), threads: 1 }
    }
}

/// The speaker encoder on its own lane. Cloning shares the lane.
///
/// Looks at 1.6 s at a time, each half over the one before, and takes the mean. Vectors have 256
/// numbers, none negative: those of two persons are 0.4 to 0.8 alike (cosine), of one 0.7 to 0.95.
#[derive(Clone)]
pub struct Ge2e {
    lane: Lane<SpeakerEngine>,
}

impl Ge2e {
    /// Loads the weights and starts the lane.
    pub fn load(config: &Ge2eConfig) -> Result<Self, ModelError> {
        let config = config.clone();
        let lane = Lane::start(ENGINE, Priority::BehindAudio, move || {
            let encoder = Encoder::load(&config.model)?;
            // candle's arithmetic takes the threads of the pool that it is called in.
            let threads = ThreadPoolBuilder::new().num_threads(config.threads.max(1)).build();
            let threads = threads.map_err(|error| ModelError::Engine {
                engine: ENGINE,
                reason: error.to_string(),
            })?;
            Ok(SpeakerEngine::new(encoder, threads))
        })?;
        Ok(Self { lane })
    }
}

impl SpeakerEncoder for Ge2e {
    fn embed(&self, samples: Arc<[i16]>) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
        let vector = self.lane.open(samples).into_future();
        vector
            .map(|(vector, _)| vector.unwrap_or(Err(ModelError::Stopped { engine: ENGINE })))
            .boxed()
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

#[cfg(test)]
mod real_memory;
#[cfg(test)]
mod real_tests;
