//! The models that programs ask for and calls have no use for.

use std::sync::Arc;

use trunkline_inference::{SpeakerEncoder, TextEmbedder, catalog::EngineKind};

use super::engine;
use crate::{config::ModelsConfig, exit::Failure};

/// The models of programs, as far as the configuration names them.
#[derive(Clone, Default)]
pub(crate) struct ProgramModels {
    /// Embeds texts.
    pub(crate) embedder: Option<Arc<dyn TextEmbedder>>,
    /// Tells speakers apart.
    pub(crate) speakers: Option<Arc<dyn SpeakerEncoder>>,
}

/// Loads them, telling `progress` of each.
pub(crate) fn program_models(
    config: &ModelsConfig,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<ProgramModels, Failure> {
    #[cfg(feature = "fakes")]
    if super::fakes(&config.llm).is_some() {
        let embedder: Arc<dyn TextEmbedder> = Arc::new(trunkline_testkit::FakeEmbedder);
        return Ok(ProgramModels { embedder: Some(embedder), speakers: None });
    }
    let embedder = named(&config.embedding, |name| {
        progress("embedder", name);
        engine(name, "embedder", &[EngineKind::Minilm])?;
        minilm(config)
    })?;
    let speakers = named(&config.speakers, |name| {
        progress("speaker encoder", name);
        engine(name, "speaker encoder", &[EngineKind::Ge2e])?;
        ge2e(config)
    })?;
    Ok(ProgramModels { embedder, speakers })
}

/// What `load` gives for the model of this name; nothing for an empty one.
fn named<T>(
    name: &str,
    load: impl FnOnce(&str) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    if name.is_empty() { Ok(None) } else { load(name).map(Some) }
}

#[cfg(feature = "onnx")]
fn minilm(config: &ModelsConfig) -> Result<Arc<dyn TextEmbedder>, Failure> {
    let runtime = super::onnx::runtime(config)?;
    let model = trunkline_onnx::MiniLm::load(&runtime, &super::onnx::minilm(config));
    Ok(Arc::new(model.map_err(Failure::unavailable)?))
}

#[cfg(not(feature = "onnx"))]
fn minilm(_: &ModelsConfig) -> Result<Arc<dyn TextEmbedder>, Failure> {
    super::not_built("onnx")
}

#[cfg(feature = "candle")]
fn ge2e(config: &ModelsConfig) -> Result<Arc<dyn SpeakerEncoder>, Failure> {
    let encoder = trunkline_candle::Ge2e::load(&ge2e_config(config));
    Ok(Arc::new(encoder.map_err(Failure::unavailable)?))
}

#[cfg(feature = "candle")]
pub(super) fn ge2e_config(config: &ModelsConfig) -> trunkline_candle::Ge2eConfig {
    trunkline_candle::Ge2eConfig::new(config.dir.join(&config.speakers).join("pretrained.pt"))
}

#[cfg(not(feature = "candle"))]
fn ge2e(_: &ModelsConfig) -> Result<Arc<dyn SpeakerEncoder>, Failure> {
    super::not_built("candle")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of these two names where no model was pulled.
    fn loaded(embedding: &str, speakers: &str) -> Result<ProgramModels, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::new)?;
        let config = ModelsConfig {
            dir: dir.path().into(),
            embedding: embedding.into(),
            speakers: speakers.into(),
            ..ModelsConfig::default()
        };
        program_models(&config, &mut |_, _| {})
    }

    fn refused(embedding: &str, speakers: &str, reason: &str) {
        let refusal = format!("{:?}", loaded(embedding, speakers).err().unwrap());
        assert!(refusal.contains(reason), "{refusal}");
    }

    #[test]
    fn an_empty_name_is_no_model() {
        let models = loaded("", "").unwrap();
        assert!(models.embedder.is_none() && models.speakers.is_none());
    }

    #[test]
    fn a_model_of_another_kind_is_refused_by_name() {
        refused("silero-vad", "", "`silero-vad` cannot be the embedder");
        refused("", "all-minilm-l6-v2", "`all-minilm-l6-v2` cannot be the speaker encoder");
    }

    #[test]
    fn a_model_that_is_not_there_or_not_built_in_is_a_failure() {
        let onnx = if cfg!(feature = "onnx") { "models pull" } else { "without the onnx" };
        refused("all-minilm-l6-v2", "", onnx);
        let candle = if cfg!(feature = "candle") { "models pull" } else { "without the candle" };
        refused("", "ge2e-speaker", candle);
    }
}
