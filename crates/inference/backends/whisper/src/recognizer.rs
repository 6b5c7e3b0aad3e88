//! Whisper as a [`SpeechToText`].

use std::sync::Arc;

use trunkline_inference::{
    HearingStream, Lane, ModelError, Priority, SpeechToText, SttOptions, SttTask, TranscriptStream,
    lane::Load,
};
use trunkline_native::Scribe;

use crate::{
    WhisperConfig,
    abi::LoadOptions,
    engine::{Hearing, Listen, Settings},
    module::{Model, State, Window},
    recognize::{OneDesk, RecognizeAlone},
    understood::Understood,
};

const NAME: &str = "whisper";
/// Windows that are transcribed together: more fill the caches, and each costs up to 40 MB.
pub(crate) const DESKS: usize = 8;

/// A Whisper model on its lane. Cloning shares it.
#[derive(Clone)]
pub struct Whisper {
    lane: AnyLane,
}

#[derive(Clone)]
enum AnyLane {
    Native(Lane<Hearing<Scribe>>),
    Module(Lane<Hearing<OneDesk<State>>>),
}

impl Whisper {
    /// Loads the model, for a GPU the module too, on a new lane and waits until it is there.
    pub fn load(config: WhisperConfig) -> Result<Self, ModelError> {
        let settings = Settings {
            slots: config.slots,
            threads: config.threads,
            gpu: config.gpu,
            language: config.language.clone(),
        };
        let lane = if config.gpu || config.module.is_some() {
            AnyLane::Module(Lane::start_on(
                config.device.clone(),
                NAME,
                Priority::BehindAudio,
                move || {
                    // On a CPU plain attention is the faster one, and right for windows of any length.
                    let gpu = u8::from(config.gpu);
                    let options = LoadOptions { gpu, flash_attention: gpu };
                    let model = Model::load(&config.model, config.module.as_deref(), options)?;
                    Ok(Hearing::new(OneDesk::new(model.new_state()?), settings))
                },
            )?)
        } else {
            AnyLane::Native(Lane::start_on(
                config.device.clone(),
                NAME,
                Priority::BehindAudio,
                move || {
                    let model = trunkline_native::Whisper::load(&config.model)?;
                    let threads = usize::try_from(config.threads).unwrap_or(1);
                    Ok(Hearing::new(
                        Scribe::new(model, threads, settings.slots.min(DESKS))?,
                        settings,
                    ))
                },
            )?)
        };
        Ok(Self { lane })
    }
}

impl SpeechToText for Whisper {
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream {
        let listen = Listen { input: audio, options: options.clone() };
        match &self.lane {
            AnyLane::Native(lane) => lane.open(listen),
            AnyLane::Module(lane) => lane.open(listen),
        }
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(match &self.lane {
            AnyLane::Native(lane) => lane.load(),
            AnyLane::Module(lane) => lane.load(),
        })
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
