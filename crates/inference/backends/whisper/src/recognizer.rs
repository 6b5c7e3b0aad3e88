//! Whisper as a [`SpeechToText`].

use std::{path::PathBuf, sync::Arc};

use trunkline_boundary::network::Options;
use trunkline_inference::{
    Device, HearingStream, Lane, ModelError, Priority, SpeechToText, SttOptions, SttTask,
    TranscriptStream, lane::Load,
};
use trunkline_native::{Edges, Scribe};

use crate::{
    WhisperConfig,
    abi::LoadOptions,
    engine::{Hearing, Listen, Settings},
    module::{Model, State, Window},
    network::{LoadedNetwork, cuda_module},
    recognize::{OneDesk, Recognize, RecognizeAlone},
    understood::Understood,
};

const NAME: &str = "whisper";
/// Windows that processors transcribe together: more fill the caches, and each costs up to 40 MB.
const CPU_DESKS: usize = 8;
/// Windows that a GPU transcribes together.
const GPU_DESKS: usize = 64;

/// A Whisper model on its lane. Cloning shares it.
#[derive(Clone)]
pub struct Whisper {
    lane: AnyLane,
}

#[derive(Clone)]
enum AnyLane {
    Desks(Lane<Hearing<Scribe>>),
    OneDesk(Lane<Hearing<OneDesk<State>>>),
}

/// Who computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Our kernels on the CPU.
    Cpu,
    /// candle's module at this place.
    Candle(PathBuf),
    /// whisper.cpp's module, at this place if one is given.
    WhisperCpp(Option<PathBuf>),
}

impl Engine {
    /// Who does by this configuration and what is installed.
    pub(crate) fn of(config: &WhisperConfig) -> Self {
        if let Some(module) = &config.module {
            return Self::WhisperCpp(Some(module.clone()));
        }
        match (&config.network, config.gpu) {
            (Some(module), _) => Self::Candle(module.clone()),
            (None, true) => cuda_module().map_or(Self::WhisperCpp(None), Self::Candle),
            (None, false) => Self::Cpu,
        }
    }
}

/// Windows that are transcribed together by this configuration.
pub(crate) fn desks(config: &WhisperConfig) -> usize {
    config.slots.clamp(1, if config.gpu { GPU_DESKS } else { CPU_DESKS })
}

impl Whisper {
    /// Loads the model, for a GPU a module too, on a new lane and waits until it is there.
    pub fn load(config: WhisperConfig) -> Result<Self, ModelError> {
        let settings = Settings {
            slots: config.slots,
            threads: config.threads,
            gpu: config.gpu,
            language: config.language.clone(),
        };
        let device = config.device.clone();
        let lane = match Engine::of(&config) {
            Engine::WhisperCpp(module) => AnyLane::OneDesk(start(device, move || {
                // On a CPU plain attention is the faster one, and right for windows of any length.
                let gpu = u8::from(config.gpu);
                let gpu_number = config.gpu_number;
                let options = LoadOptions { gpu, gpu_number, flash_attention: gpu };
                let model = Model::load(&config.model, module.as_deref(), options)?;
                Ok(Hearing::new(OneDesk::new(model.new_state()?), settings))
            })?),
            Engine::Candle(module) => AnyLane::Desks(start(device, move || {
                let (gpu, gpu_number) = (u8::from(config.gpu), config.gpu_number);
                let options = Options { desks: desks(&config), gpu, gpu_number };
                let edges = Edges::load(&config.model)?;
                let network = LoadedNetwork::load(&module, &config.model, options)?;
                Ok(Hearing::new(Scribe::on(edges, Box::new(network), options.desks), settings))
            })?),
            Engine::Cpu => AnyLane::Desks(start(device, move || {
                let model = trunkline_native::Whisper::load(&config.model)?;
                let threads = usize::try_from(config.threads).unwrap_or(1);
                Ok(Hearing::new(Scribe::new(model, threads, desks(&config))?, settings))
            })?),
        };
        Ok(Self { lane })
    }
}

fn start<R: Recognize + 'static>(
    device: Option<Device>,
    make: impl FnOnce() -> Result<Hearing<R>, ModelError> + Send + 'static,
) -> Result<Lane<Hearing<R>>, ModelError> {
    Lane::start_on(device, NAME, Priority::BehindAudio, make)
}

impl SpeechToText for Whisper {
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream {
        let listen = Listen { input: audio, options: options.clone() };
        match &self.lane {
            AnyLane::Desks(lane) => lane.open(listen),
            AnyLane::OneDesk(lane) => lane.open(listen),
        }
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        vec![match &self.lane {
            AnyLane::Desks(lane) => lane.load(),
            AnyLane::OneDesk(lane) => lane.load(),
        }]
    }
}

impl RecognizeAlone for State {
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError> {
        self.check(language, task)
    }

    fn recognize(
        &mut self,
        window: &Window<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Understood>, ModelError> {
        self.transcribe(window, interrupted)
    }
}
