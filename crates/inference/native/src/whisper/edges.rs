//! What lies on either side of a model's layers: sound to features, tokens to text.

use std::{path::Path, sync::Arc};

use trunkline_inference::ModelError;

use super::{
    file::{ModelFile, Sizes},
    vocabulary::Vocabulary,
};

/// A model's sizes, filters and vocabulary.
pub struct Edges {
    pub(crate) sizes: Sizes,
    pub(crate) filters: Vec<f32>,
    pub(crate) vocabulary: Vocabulary,
}

impl Edges {
    /// Loads it from whisper.cpp's model file.
    pub fn load(path: &Path) -> Result<Arc<Self>, ModelError> {
        Ok(Self::take(&mut ModelFile::open(path)?))
    }

    /// Takes it from an open file.
    pub(crate) fn take(file: &mut ModelFile) -> Arc<Self> {
        let vocabulary = Vocabulary::new(std::mem::take(&mut file.words), file.sizes.words);
        let filters = std::mem::take(&mut file.filters);
        Arc::new(Self { sizes: file.sizes, filters, vocabulary })
    }

    /// Whether it can listen for a language (ISO 639-1; any, for `None`) and translate it;
    /// [`ModelError::BadRequest`] says why it cannot.
    pub fn check(&self, language: Option<&str>, translates: bool) -> Result<(), ModelError> {
        self.vocabulary.check(language, translates).map_err(ModelError::BadRequest)
    }
}
