//! The models that ONNX Runtime runs.

use std::sync::Arc;

use trunkline_inference::{
    EndOfTurn, ModelError, Replicas, TextToSpeech, VoiceActivity, budget::Footprint,
    catalog::EngineKind,
};
use trunkline_onnx::{
    Kokoro, KokoroConfig, MiniLmConfig, Piper, PiperConfig, Runtime, SileroConfig, SileroVad,
    SmartTurn, SmartTurnConfig, footprint as of,
};

use super::{ONNX_RUNTIME, Place, on_devices, one};
use crate::{config::ModelsConfig, exit::Failure};

pub(super) fn runtime(config: &ModelsConfig) -> Result<Runtime, Failure> {
    Runtime::load(&config.dir.join(ONNX_RUNTIME).join("libonnxruntime.so"))
        .map_err(Failure::unavailable)
}

pub(super) fn voice(
    config: &ModelsConfig,
    engine: EngineKind,
    place: &Place,
) -> Result<Arc<dyn TextToSpeech>, Failure> {
    let runtime = runtime(config)?;
    if engine == EngineKind::Kokoro {
        let load = |gpu: Option<u32>, device| {
            let gpu_number = gpu.unwrap_or(0);
            let config = KokoroConfig { device, gpu_number, ..kokoro(config, gpu.is_some()) };
            Ok(Arc::new(Kokoro::load(&runtime, &config)?) as Arc<dyn TextToSpeech>)
        };
        let copies = on_devices(config, (&config.tts, place), load)?;
        return Ok(one(copies, |copies| Arc::new(Replicas::new(copies))));
    }
    // It has no other place.
    let settings = PiperConfig { device: place.device(None), ..piper(config) };
    Ok(Arc::new(Piper::load(&runtime, &settings).map_err(Failure::unavailable)?))
}

pub(super) fn voice_activity(config: &ModelsConfig) -> Result<Arc<dyn VoiceActivity>, Failure> {
    let vad = SileroVad::load(&runtime(config)?, &silero(config)).map_err(Failure::unavailable)?;
    Ok(Arc::new(vad))
}

pub(super) fn end_of_turn(config: &ModelsConfig) -> Result<Arc<dyn EndOfTurn>, Failure> {
    let model = SmartTurn::load(&runtime(config)?, &smart_turn(config));
    Ok(Arc::new(model.map_err(Failure::unavailable)?))
}

/// What the configured model of one of these engines needs; `None` for another engine.
pub(super) fn footprint(
    config: &ModelsConfig,
    engine: EngineKind,
    gpu: bool,
) -> Option<Result<Footprint, ModelError>> {
    match engine {
        EngineKind::Piper => Some(of::piper(&piper(config))),
        EngineKind::Kokoro => Some(of::kokoro(&kokoro(config, gpu))),
        EngineKind::Silero => Some(of::silero(&silero(config))),
        EngineKind::SmartTurn => Some(of::smart_turn(&smart_turn(config))),
        EngineKind::Minilm => Some(of::minilm(&minilm(config))),
        EngineKind::Whisper | EngineKind::Llama | EngineKind::Ge2e | EngineKind::Onnxruntime => {
            None
        }
    }
}

fn kokoro(config: &ModelsConfig, gpu: bool) -> KokoroConfig {
    let folder = config.dir.join(&config.tts);
    let defaults = KokoroConfig::new(folder.join("model.onnx"), folder.join("voices"));
    KokoroConfig { threads: config.threads, gpu, ..defaults }
}

fn piper(config: &ModelsConfig) -> PiperConfig {
    let folder = config.dir.join(&config.tts);
    let defaults = PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"));
    PiperConfig { threads: config.threads, ..defaults }
}

fn silero(config: &ModelsConfig) -> SileroConfig {
    SileroConfig::new(config.dir.join(&config.vad).join("silero_vad.onnx"))
}

fn smart_turn(config: &ModelsConfig) -> SmartTurnConfig {
    SmartTurnConfig::new(config.dir.join(&config.end_of_turn).join("smart-turn.onnx"))
}

pub(super) fn minilm(config: &ModelsConfig) -> MiniLmConfig {
    let folder = config.dir.join(&config.embedding);
    MiniLmConfig::new(folder.join("model.onnx"), folder.join("tokenizer.json"))
}
