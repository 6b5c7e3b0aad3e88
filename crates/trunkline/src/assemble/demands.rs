//! What the configured models need of memory, from their files' headers. Nothing is loaded.

use trunkline_inference::{
    ModelError,
    budget::{Choice, Demand, Footprint, Kind},
    catalog::EngineKind::{self, Ge2e, Kokoro, Llama, Minilm, Piper, Silero, SmartTurn, Whisper},
};

use super::engine;
use crate::{config::ModelsConfig, exit::Failure};

/// What every configured model needs, those of calls first. Models whose engine was not built in are left
/// out: they cannot be loaded either.
pub(crate) fn demands(config: &ModelsConfig) -> Result<Vec<Demand>, Failure> {
    #[cfg(feature = "fakes")]
    if super::fakes(&config.llm).is_some() {
        return Ok(Vec::new());
    }
    let roles: [(&str, &str, &[EngineKind], bool); 7] = [
        (&config.stt, "recognizer", &[Whisper], true),
        (&config.llm, "language model", &[Llama], true),
        (&config.tts, "voice", &[Piper, Kokoro], true),
        (&config.vad, "voice activity", &[Silero], true),
        (&config.end_of_turn, "end-of-turn model", &[SmartTurn], true),
        (&config.embedding, "embedder", &[Minilm], false),
        (&config.speakers, "speaker encoder", &[Ge2e], false),
    ];
    let mut demands = Vec::new();
    for (name, role, fit, is_of_call) in roles.into_iter().filter(|(name, ..)| !name.is_empty()) {
        let mut choices = Vec::new();
        let engine = engine(name, role, fit)?;
        for &on in places(config, engine) {
            let Some(footprint) = footprint(config, engine, on == Kind::Gpu) else { continue };
            let footprint = footprint.map_err(Failure::unavailable)?;
            choices.push(Choice { on, footprint, work: None });
        }
        if !choices.is_empty() {
            demands.push(Demand { model: name.to_owned(), choices, replicas: 1, is_of_call });
        }
    }
    Ok(demands)
}

/// Where a model may run, in the order in which it is tried.
fn places(config: &ModelsConfig, engine: EngineKind) -> &'static [Kind] {
    let is_large = matches!(engine, Whisper | Llama | Kokoro);
    match (is_large && config.uses_gpu(), config.may_use_cpu()) {
        (false, _) => &[Kind::Host],
        (true, false) => &[Kind::Gpu],
        (true, true) => &[Kind::Gpu, Kind::Host],
    }
}

/// What the configured model of this engine needs; `None` where the engine was not built in.
#[cfg_attr(
    not(any(feature = "whisper", feature = "llama", feature = "onnx", feature = "candle")),
    expect(unused_variables, reason = "no engine asks for them")
)]
fn footprint(
    config: &ModelsConfig,
    engine: EngineKind,
    gpu: bool,
) -> Option<Result<Footprint, ModelError>> {
    match engine {
        #[cfg(feature = "whisper")]
        Whisper => Some(trunkline_whisper::footprint(&super::whisper_config(config, gpu))),
        #[cfg(feature = "llama")]
        Llama => Some(trunkline_llama::footprint(&super::llama_config(config, gpu))),
        #[cfg(feature = "onnx")]
        Piper | Kokoro | Silero | SmartTurn | Minilm => super::onnx::footprint(config, engine, gpu),
        #[cfg(feature = "candle")]
        Ge2e => Some(trunkline_candle::footprint(&super::programs::ge2e_config(config))),
        #[cfg(not(feature = "whisper"))]
        Whisper => None,
        #[cfg(not(feature = "llama"))]
        Llama => None,
        #[cfg(not(feature = "onnx"))]
        Piper | Kokoro | Silero | SmartTurn | Minilm => None,
        #[cfg(not(feature = "candle"))]
        Ge2e => None,
        EngineKind::Onnxruntime => None,
    }
}
