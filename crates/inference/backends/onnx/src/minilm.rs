//! all-MiniLM-L6-v2: English sentences and short paragraphs to vectors of 384 numbers.

mod engine;
mod network;

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use trunkline_inference::{Embedded, Lane, ModelError, Priority, TextEmbedder, lane::Load};

use self::{
    engine::{EmbedEngine, Network},
    network::BertNetwork,
};
use crate::runtime::Runtime;

/// The engine's name in errors and thread lists.
const ENGINE: &str = "minilm";

/// Where MiniLM is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MiniLmConfig {
    /// The ONNX model (one file, 23 MB with int8 weights).
    pub model: PathBuf,
    /// Its word pieces, in the format of Hugging Face's tokenizers.
    pub tokenizer: PathBuf,
    /// Threads of the runtime; 1 by default.
    pub threads: usize,
}

impl MiniLmConfig {
    /// The defaults for the model at `model`, whose tokenizer is at `tokenizer`.
    pub fn new(model: impl Into<PathBuf>, tokenizer: impl Into<PathBuf>) -> Self {
        Self { model: model.into(), tokenizer: tokenizer.into(), threads: 1 }
    }
}

/// MiniLM on its own lane. Cloning shares the lane.
///
/// A text may have 256 word pieces, the two around it included. The tokens that it counts are these.
#[derive(Clone)]
pub struct MiniLm {
    lane: Lane<EmbedEngine<BertNetwork>>,
    dimensions: usize,
}

impl MiniLm {
    /// Loads model and tokenizer, starts the lane, and embeds a word to warm up and to learn how many
    /// numbers a vector has.
    pub fn load(runtime: &Runtime, config: &MiniLmConfig) -> Result<Self, ModelError> {
        let (runtime, config) = (runtime.clone(), config.clone());
        let (learned, dimensions) = std::sync::mpsc::sync_channel(1);
        let lane = Lane::start(ENGINE, Priority::BehindAudio, move || {
            let mut network = BertNetwork::load(&runtime, &config)?;
            let word = network.read("hello")?;
            let vectors = network.run(&[&word])?;
            let told = learned.send(vectors.first().map_or(0, Vec::len));
            told.map_err(|_| ModelError::Stopped { engine: ENGINE })?;
            Ok(EmbedEngine::new(network))
        })?;
        let dimensions = dimensions.recv().map_err(|_| ModelError::Stopped { engine: ENGINE })?;
        Ok(Self { lane, dimensions })
    }
}

impl TextEmbedder for MiniLm {
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Embedded, ModelError>> {
        let embedded = self.lane.open(texts).into_future();
        embedded
            .map(|(embedded, _)| embedded.unwrap_or(Err(ModelError::Stopped { engine: ENGINE })))
            .boxed()
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

#[cfg(test)]
mod real_tests;
