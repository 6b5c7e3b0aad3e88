//! From the configuration to engines at work. Only this file and those below it name a backend.

mod demands;
#[cfg(feature = "onnx")]
mod onnx;
mod programs;

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use trunkline_gateway::ModelAbout;
#[cfg(any(feature = "whisper", feature = "llama", feature = "onnx"))]
use trunkline_inference::Device;
#[cfg(any(feature = "whisper", feature = "llama"))]
use trunkline_inference::Replicas;
use trunkline_inference::{
    ChatModel, Devices, EndOfTurn, SpeechToText, TextToSpeech, VoiceActivity,
    catalog::{Catalog, EngineKind, ModelFile as CatalogFile},
};
use trunkline_session::{Agent, Models};
use trunkline_telephony::SipConfig;
use trunkline_turn::{DetectorConfig, Script, TurnConfig};

pub(crate) use self::{
    demands::demands,
    programs::{ProgramModels, program_models},
};
use crate::{
    config::{AgentConfig, ModelsConfig, SipSection},
    exit::Failure,
};

/// The model of the ONNX Runtime library, which all ONNX engines share.
const ONNX_RUNTIME: &str = "onnxruntime";

/// In a test build, `models.llm = "fake"` answers calls with the fakes of testkit, which take the time of
/// good models, and `"fake-at-once"` with a language model that takes none.
#[cfg(feature = "fakes")]
fn fakes(llm: &str) -> Option<Models> {
    match llm {
        "fake" => Some(trunkline_testkit::fake_models()),
        "fake-at-once" => Some(trunkline_testkit::fake_models_at_once()),
        _ => None,
    }
}

/// A file that the configured models are loaded from.
#[derive(Clone, Debug)]
pub(crate) struct ModelFile {
    /// What for: `stt`, `llm`, ...
    pub(crate) role: &'static str,
    /// The model's name.
    pub(crate) model: String,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The configured models by role.
fn roles(config: &ModelsConfig) -> impl Iterator<Item = (&'static str, &str)> {
    let roles = [
        ("stt", config.stt.as_str()),
        ("llm", config.llm.as_str()),
        ("tts", config.tts.as_str()),
        ("vad", config.vad.as_str()),
        ("turn", config.end_of_turn.as_str()),
        ("embed", config.embedding.as_str()),
        ("speaker", config.speakers.as_str()),
        ("runtime", ONNX_RUNTIME),
    ];
    roles.into_iter().filter(|(_, name)| !name.is_empty())
}

/// The configured models, with the hashes that their files were verified by when they were pulled.
pub(crate) fn models_by_hash(config: &ModelsConfig) -> Vec<ModelAbout> {
    let catalog = Catalog::built_in();
    let hashes = |name| {
        let files = catalog.model(name).map_or(&[][..], |model| &model.files);
        files.iter().flat_map(CatalogFile::hashes).map(|hash| hash.to_string()).collect()
    };
    roles(config)
        .map(|(role, name)| ModelAbout {
            role: role.into(),
            name: name.into(),
            sha256: hashes(name),
        })
        .collect()
}

/// Every file of the configured models.
pub(crate) fn model_files(config: &ModelsConfig) -> Vec<ModelFile> {
    let catalog = Catalog::built_in();
    let mut files = Vec::new();
    for (role, name) in roles(config) {
        let folder = config.dir.join(name);
        let known = catalog.model(name).map(|model| &model.files);
        let paths: Vec<PathBuf> = match known {
            Some(known) => known.iter().map(|f| folder.join(f.name())).collect(),
            None => vec![folder],
        };
        files.extend(paths.into_iter().map(|path| ModelFile { role, model: name.into(), path }));
    }
    files
}

/// What an agent's calls are answered with.
pub(crate) fn agent(name: &str, config: &AgentConfig) -> Agent {
    let mut turn = TurnConfig::default();
    turn.patience = turn.patience.scaled(config.patience);
    turn.overlap.greeting_yields = config.greeting_interruptible;
    turn.silence.prompt_after = config.silence_after();
    turn.limits.call = config.max_duration();
    Agent {
        name: name.to_owned(),
        instructions: config.instructions.trim().to_owned(),
        voice: trunkline_inference::Voice { name: config.voice.clone(), speed: config.voice_speed },
        language: config.spoken_language(),
        max_reply_tokens: config.max_reply_tokens,
        temperature: config.temperature,
        script: Script {
            greeting: config.greeting.clone(),
            apology: config.apology.clone(),
            silence_prompts: config.silence_prompts.clone(),
            farewell: config.farewell.clone(),
            ..Script::default()
        },
        turn,
        detector: DetectorConfig::default(),
        ..Agent::default()
    }
}

/// What Realtime clients that send no instructions are answered by.
const ASSISTANT: &str = "You are a helpful voice assistant. Answer in one or two short spoken sentences, \
                         in plain words, without lists, markdown or code.";

/// Who answers Realtime clients until they say otherwise: an assistant with the first agent's voice that
/// finds out what language is spoken.
pub(crate) fn realtime_agent(agents: &[(String, AgentConfig)]) -> Agent {
    let first = agents.first().map(|(name, config)| agent(name, config)).unwrap_or_default();
    Agent {
        name: "realtime".to_owned(),
        instructions: ASSISTANT.to_owned(),
        language: None,
        ..first
    }
}

/// The telephone side.
pub(crate) fn sip(config: &SipSection) -> SipConfig {
    SipConfig {
        bind: config.bind,
        media_ip: config.media_ip,
        rtp_ports: config.rtp_ports(),
        max_calls: config.max_calls,
        no_media_timeout: Duration::from_secs(config.no_media_seconds),
        ..SipConfig::default()
    }
}

/// What lanes share: as many on processors may step at once as there are threads for each, and one on each
/// of so many GPUs.
pub(crate) fn devices(config: &ModelsConfig, gpus: u32) -> Devices {
    Devices::new(NonZeroUsize::new(config.threads).unwrap_or(NonZeroUsize::MIN), gpus)
}

/// Where a model runs.
#[cfg_attr(
    not(any(feature = "whisper", feature = "llama", feature = "onnx")),
    expect(dead_code, reason = "no engine asks for it")
)]
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// A copy on each of these, as CUDA numbers them; with none, one on the processors.
    gpus: Vec<u32>,
    /// What it takes in turn with others: a step of each uses all the processors that models may use, or
    /// all of the GPU.
    shared: Option<Devices>,
}

impl Place {
    /// On these GPUs or on the processors, which others share too.
    pub(crate) fn of(gpus: Vec<u32>, shared: Option<&Devices>) -> Self {
        Self { gpus, shared: shared.cloned() }
    }

    /// For one who works alone: on the first GPU, if models use any.
    pub(crate) fn alone(config: &ModelsConfig) -> Self {
        Self { gpus: if config.uses_gpu() { vec![0] } else { Vec::new() }, shared: None }
    }

    #[cfg(any(feature = "whisper", feature = "llama", feature = "onnx"))]
    fn device(&self, gpu: Option<u32>) -> Option<Device> {
        let devices = self.shared.as_ref()?;
        match gpu {
            Some(number) => devices.gpus.get(number as usize).cloned(),
            None => Some(devices.processors.clone()),
        }
    }
}

/// Loads every configured model where `place` says of its name, telling `progress` of each. Blocks for
/// seconds.
pub(crate) fn models(
    config: &ModelsConfig,
    place: &dyn Fn(&str) -> Place,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<Models, Failure> {
    #[cfg(feature = "fakes")]
    if let Some(fakes) = fakes(&config.llm) {
        progress("fakes", &config.llm);
        return Ok(fakes);
    }
    progress("voice activity", &config.vad);
    let vad = voice_activity(config)?;
    let end_of_turn = if config.end_of_turn.is_empty() {
        None
    } else {
        progress("end of turn", &config.end_of_turn);
        Some(end_of_turn(config)?)
    };
    progress("recognizer", &config.stt);
    let stt = speech_to_text(config, &place(&config.stt))?;
    progress("voice", &config.tts);
    let tts = text_to_speech(config, &place(&config.tts))?;
    progress("language model", &config.llm);
    let llm = chat_model(config, &place(&config.llm))?;
    Ok(Models { stt, llm, tts, vad, end_of_turn, announcements: Arc::default() })
}

/// The engine of the model `name`, which must be one of those that can fill the role.
fn engine(name: &str, role: &str, fit: &[EngineKind]) -> Result<EngineKind, Failure> {
    let catalog = Catalog::built_in();
    let found = catalog.select(&[name]).map_err(Failure::unavailable)?;
    found.first().map(|model| model.engine).filter(|engine| fit.contains(engine)).ok_or_else(|| {
        Failure::unavailable(format!(
            "model `{name}` cannot be the {role}: choose another of `trunkline models list`"
        ))
    })
}

#[cfg(not(all(feature = "whisper", feature = "llama", feature = "onnx", feature = "candle")))]
fn not_built<T>(engine: &str) -> Result<T, Failure> {
    Err(Failure::unavailable(format!(
        "this program was built without the {engine} engine: build it with `--features local`"
    )))
}

/// Loads the model `name` on each of its GPUs, told which, or on the processors. A GPU that it does not load
/// on is left out while there is another; where it may run on either and loads on no GPU, it runs on the CPU.
#[cfg(any(feature = "whisper", feature = "llama", feature = "onnx"))]
fn on_devices<T>(
    config: &ModelsConfig,
    (name, place): (&str, &Place),
    load: impl Fn(Option<u32>, Option<Device>) -> Result<T, trunkline_inference::ModelError>,
) -> Result<Vec<T>, Failure> {
    let (mut copies, mut failure) = (Vec::new(), None);
    for &gpu in &place.gpus {
        match load(Some(gpu), place.device(Some(gpu))) {
            Ok(copy) => copies.push(copy),
            Err(error) => {
                tracing::warn!(model = name, gpu, %error, "does not load on the GPU");
                failure = Some(error);
            }
        }
    }
    match failure.filter(|_| copies.is_empty()) {
        Some(error) if !config.may_use_cpu() => return Err(Failure::unavailable(error)),
        Some(_) => tracing::warn!(model = name, "runs on the CPU"),
        None => {}
    }
    if copies.is_empty() {
        copies.push(load(None, place.device(None)).map_err(Failure::unavailable)?);
    }
    Ok(copies)
}

/// One model, of which there may be several copies.
#[cfg(any(feature = "whisper", feature = "llama", feature = "onnx"))]
fn one<M: ?Sized>(mut copies: Vec<Arc<M>>, several: impl Fn(Vec<Arc<M>>) -> Arc<M>) -> Arc<M> {
    match copies.pop() {
        Some(only) if copies.is_empty() => only,
        last => {
            copies.extend(last);
            several(copies)
        }
    }
}

/// The recognizer.
pub(crate) fn speech_to_text(
    config: &ModelsConfig,
    place: &Place,
) -> Result<Arc<dyn SpeechToText>, Failure> {
    engine(&config.stt, "recognizer", &[EngineKind::Whisper])?;
    whisper(config, place)
}

#[cfg(feature = "whisper")]
fn whisper(config: &ModelsConfig, place: &Place) -> Result<Arc<dyn SpeechToText>, Failure> {
    let load = |gpu: Option<u32>, device| {
        let config = trunkline_whisper::WhisperConfig {
            device,
            gpu_number: gpu.unwrap_or(0),
            ..whisper_config(config, gpu.is_some())
        };
        Ok(Arc::new(trunkline_whisper::Whisper::load(config)?) as Arc<dyn SpeechToText>)
    };
    let copies = on_devices(config, (&config.stt, place), load)?;
    Ok(one(copies, |copies| Arc::new(Replicas::new(copies))))
}

#[cfg(feature = "whisper")]
fn whisper_config(config: &ModelsConfig, gpu: bool) -> trunkline_whisper::WhisperConfig {
    trunkline_whisper::WhisperConfig {
        threads: u32::try_from(config.threads).unwrap_or(1),
        slots: config.slots,
        gpu,
        ..trunkline_whisper::WhisperConfig::new(config.dir.join(&config.stt).join("ggml.bin"))
    }
}

#[cfg(not(feature = "whisper"))]
fn whisper(_: &ModelsConfig, _: &Place) -> Result<Arc<dyn SpeechToText>, Failure> {
    not_built("whisper")
}

/// The language model.
fn chat_model(config: &ModelsConfig, place: &Place) -> Result<Arc<dyn ChatModel>, Failure> {
    engine(&config.llm, "language model", &[EngineKind::Llama])?;
    llama(config, place)
}

#[cfg(feature = "llama")]
fn llama(config: &ModelsConfig, place: &Place) -> Result<Arc<dyn ChatModel>, Failure> {
    let load = |gpu: Option<u32>, device| {
        let config = trunkline_llama::LlamaConfig {
            device,
            gpu_number: gpu.unwrap_or(0),
            ..llama_config(config, gpu.is_some())
        };
        Ok(Arc::new(trunkline_llama::Llama::load(config)?) as Arc<dyn ChatModel>)
    };
    let copies = on_devices(config, (&config.llm, place), load)?;
    Ok(one(copies, |copies| Arc::new(Replicas::new(copies))))
}

#[cfg(feature = "llama")]
fn llama_config(config: &ModelsConfig, gpu: bool) -> trunkline_llama::LlamaConfig {
    use trunkline_llama::{Kernels, LlamaConfig};

    use crate::config::LlmKernels;
    let defaults = LlamaConfig::new(config.dir.join(&config.llm).join("model.gguf"));
    LlamaConfig {
        gpu_layers: if gpu { defaults.gpu_layers } else { 0 },
        is_sharing_cores: !gpu,
        threads: u32::try_from(config.threads).unwrap_or(1),
        slots: u32::try_from(config.slots).unwrap_or(1),
        context_tokens: config.context_tokens,
        kernels: match config.llm_kernels {
            LlmKernels::Auto => Kernels::Fastest,
            LlmKernels::Native => Kernels::Native,
            LlmKernels::LlamaCpp => Kernels::LlamaCpp,
        },
        ..defaults
    }
}

#[cfg(not(feature = "llama"))]
fn llama(_: &ModelsConfig, _: &Place) -> Result<Arc<dyn ChatModel>, Failure> {
    not_built("llama")
}

/// The voice.
pub(crate) fn text_to_speech(
    config: &ModelsConfig,
    place: &Place,
) -> Result<Arc<dyn TextToSpeech>, Failure> {
    let engine = engine(&config.tts, "voice", &[EngineKind::Piper, EngineKind::Kokoro])?;
    onnx::voice(config, engine, place)
}

fn voice_activity(config: &ModelsConfig) -> Result<Arc<dyn VoiceActivity>, Failure> {
    engine(&config.vad, "voice activity", &[EngineKind::Silero])?;
    onnx::voice_activity(config)
}

fn end_of_turn(config: &ModelsConfig) -> Result<Arc<dyn EndOfTurn>, Failure> {
    engine(&config.end_of_turn, "end-of-turn model", &[EngineKind::SmartTurn])?;
    onnx::end_of_turn(config)
}

#[cfg(not(feature = "onnx"))]
mod onnx {
    use super::{
        Arc, EndOfTurn, EngineKind, Failure, ModelsConfig, Place, TextToSpeech, VoiceActivity,
        not_built,
    };

    pub(super) fn voice(
        _: &ModelsConfig,
        _: EngineKind,
        _: &Place,
    ) -> Result<Arc<dyn TextToSpeech>, Failure> {
        not_built("onnx")
    }

    pub(super) fn voice_activity(_: &ModelsConfig) -> Result<Arc<dyn VoiceActivity>, Failure> {
        not_built("onnx")
    }

    pub(super) fn end_of_turn(_: &ModelsConfig) -> Result<Arc<dyn EndOfTurn>, Failure> {
        not_built("onnx")
    }
}
