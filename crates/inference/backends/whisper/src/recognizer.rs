//! Whisper as a [`SpeechToText`].

use std::sync::Arc;

use trunkline_inference::{
    HearingStream, Lane, ModelError, Priority, SpeechToText, SttOptions, SttTask, TranscriptStream,
    lane::Load,
};

use crate::{
    WhisperConfig,
    abi::LoadOptions,
    engine::{Hearing, Listen, Recognize, Settings},
    module::{Model, State, Window},
    understood::Understood,
};

/// A Whisper model on its lane. Cloning shares it.
#[derive(Clone)]
pub struct Whisper {
    lane: Lane<Hearing<State>>,
}

impl Whisper {
    /// Loads the module and the model on a new lane and waits until both are there.
    pub fn load(config: WhisperConfig) -> Result<Self, ModelError> {
        let lane = Lane::start("whisper", Priority::BehindAudio, move || {
            // On a CPU plain attention is the faster one, and right for windows of any length.
            let gpu = u8::from(config.gpu);
            let options = LoadOptions { gpu, flash_attention: gpu };
            let model = Model::load(&config.model, config.module.as_deref(), options)?;
            let settings = Settings {
                slots: config.slots,
                threads: config.threads,
                gpu: config.gpu,
                language: config.language,
            };
            Ok(Hearing::new(model.new_state()?, settings))
        })?;
        Ok(Self { lane })
    }
}

impl SpeechToText for Whisper {
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream {
        self.lane.open(Listen { input: audio, options: options.clone() })
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

impl Recognize for State {
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
