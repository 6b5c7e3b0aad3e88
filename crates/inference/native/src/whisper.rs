//! Whisper (Radford et al. 2022): a window of sound in, tokens and their probabilities out.

mod cpu;
mod decoder;
mod desk;
mod edges;
mod encoder;
pub(crate) mod ending;
mod file;
mod footprint;
mod layers;
mod mel;
mod network;
mod rules;
mod scribe;
mod vocabulary;
mod writing;

use std::{path::Path, sync::Arc};

use trunkline_inference::ModelError;

use self::{decoder::Decoder, encoder::Encoder};
pub use self::{
    edges::Edges,
    file::{ModelFile, Sizes},
    footprint::footprint,
    network::{Network, Text, Window},
    scribe::{Came, Scribe, Task, Urgency},
    writing::{Piece, Transcribed, Word},
};

/// A model loaded for the CPU. It does not change; whoever transcribes has a [`Scribe`].
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
    edges: Arc<Edges>,
}

impl Whisper {
    /// Loads whisper.cpp's model file, its matrices `f16`, `q8_0` or `q5_0`.
    pub fn load(path: &Path) -> Result<Arc<Self>, ModelError> {
        let mut file = ModelFile::open(path)?;
        Ok(Arc::new(Self {
            encoder: Encoder::load(&file)?,
            decoder: Decoder::load(&file)?,
            edges: Edges::take(&mut file),
        }))
    }
}

#[cfg(test)]
mod tests;
