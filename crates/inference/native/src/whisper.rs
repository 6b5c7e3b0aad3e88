//! Whisper (Radford et al. 2022): a window of sound in, tokens and their probabilities out.

mod decoder;
mod desk;
mod encoder;
pub(crate) mod ending;
mod file;
mod footprint;
mod layers;
mod mel;
mod rules;
mod scribe;
mod vocabulary;
mod writing;

use std::{path::Path, sync::Arc};

use trunkline_inference::ModelError;

use self::{decoder::Decoder, encoder::Encoder, file::ModelFile, vocabulary::Vocabulary};
pub use self::{
    file::Sizes,
    footprint::footprint,
    scribe::{Scribe, Task, Urgency},
    writing::{Piece, Transcribed, Word},
};

/// A loaded model. It does not change; whoever transcribes has a [`Scribe`].
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
    vocabulary: Vocabulary,
    filters: Vec<f32>,
}

impl Whisper {
    /// Loads whisper.cpp's model file, its matrices `f16`, `q8_0` or `q5_0`.
    pub fn load(path: &Path) -> Result<Arc<Self>, ModelError> {
        let mut file = ModelFile::open(path)?;
        Ok(Arc::new(Self {
            encoder: Encoder::load(&file)?,
            decoder: Decoder::load(&file)?,
            vocabulary: Vocabulary::new(std::mem::take(&mut file.words), file.sizes.words),
            filters: std::mem::take(&mut file.filters),
        }))
    }

    /// Whether it can listen for a language (ISO 639-1; any, for `None`) and translate it;
    /// [`ModelError::BadRequest`] says why it cannot.
    pub fn check(&self, language: Option<&str>, translates: bool) -> Result<(), ModelError> {
        self.vocabulary.check(language, translates).map_err(ModelError::BadRequest)
    }
}

#[cfg(test)]
mod tests;
