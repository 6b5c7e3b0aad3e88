//! Piper: the voice for machines without a GPU. Sounds come from espeak-ng, a separate process.

mod graph;
#[cfg(target_arch = "x86_64")]
mod hifigan;
mod network;
mod phonemes;
mod stretch;
mod voice_file;

use std::{path::PathBuf, sync::Arc};

use trunkline_inference::{
    ClauseStream, Device, Lane, ModelError, Party, Priority, SpeechStream, TextToSpeech, Voice,
    lane::Load,
};

use self::{
    network::{Latent, Network},
    phonemes::phoneme_ids,
    voice_file::VoiceFile,
};
use crate::{
    espeak::Espeak,
    runtime::{Runtime, engine_error},
    voice::{Begun, Synthesizer, Utterance, VoiceEngine, sound_weights, unknown_voice},
};

/// The engine's name in errors and thread lists.
const ENGINE: &str = "piper";

/// Parts that are begun or spoken at one go at most.
const MOST_TOGETHER: usize = 32;

/// Where a Piper voice is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiperConfig {
    /// The ONNX model of one voice.
    pub model: PathBuf,
    /// The JSON file that belongs to it: its sounds, scales and sample rate.
    pub config: PathBuf,
    /// Threads of the runtime; 1 by default. 2 make the first audio come sooner on an idle machine.
    pub threads: usize,
    /// The espeak-ng program, `espeak-ng` by default: found in PATH, or a whole path.
    pub espeak: PathBuf,
    /// The device that it shares with other lanes. Default none: it steps whenever it has work.
    pub device: Option<Device>,
    /// Whether to run on an NVIDIA GPU; the default is no.
    pub gpu: bool,
}

impl PiperConfig {
    /// The defaults for the voice in `model` and `config`.
    pub fn new(model: impl Into<PathBuf>, config: impl Into<PathBuf>) -> Self {
        let (model, config) = (model.into(), config.into());
        let espeak = PathBuf::from("espeak-ng");
        Self { model, config, threads: 1, espeak, device: None, gpu: false }
    }
}

/// A Piper voice on its own lane. Cloning shares the lane.
///
/// Word timings are estimated from the number and kind of sounds.
#[derive(Clone)]
pub struct Piper {
    lane: Lane<VoiceEngine<Model>>,
    voices: Vec<String>,
}

impl Piper {
    /// Loads the model, starts espeak-ng and the lane, and says a sentence to warm up.
    pub fn load(runtime: &Runtime, config: &PiperConfig) -> Result<Self, ModelError> {
        let file = VoiceFile::read(&config.config)?;
        let voices = vec![file.name()];
        let (runtime, config) = (runtime.clone(), config.clone());
        let device = config.device.clone();
        let lane = Lane::start_on(device, ENGINE, Priority::BehindAudio, move || {
            let mut engine = VoiceEngine::new(Model::open(&runtime, &config, file)?);
            engine.warm_up()?;
            Ok(engine)
        })?;
        Ok(Self { lane, voices })
    }
}

impl TextToSpeech for Piper {
    fn speak(&self, clauses: ClauseStream, voice: &Voice, party: Party) -> SpeechStream {
        self.lane.open(Utterance { clauses, voice: voice.clone(), party })
    }

    fn voices(&self) -> Vec<String> {
        self.voices.clone()
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        vec![self.lane.load()]
    }
}

pub(crate) struct Model {
    network: Network,
    file: VoiceFile,
    espeak: Espeak,
}

impl Model {
    fn open(runtime: &Runtime, config: &PiperConfig, file: VoiceFile) -> Result<Self, ModelError> {
        let espeak = Espeak::start(&config.espeak, &file.espeak.voice)?;
        let network = Network::open(runtime, config)?;
        Ok(Self { network, file, espeak })
    }
}

/// A text as the network reads it.
struct Spelled {
    ids: Vec<i64>,
    weights: Vec<f32>,
}

impl Model {
    fn spell(&mut self, text: &str, voice: &Voice) -> Result<Spelled, ModelError> {
        if !voice.name.is_empty() && voice.name != self.file.name() {
            return Err(unknown_voice(&voice.name, &[self.file.name()]));
        }
        let sounds = phonemes::phonemes(text, |words| self.espeak.phonemes(words))?;
        let ids = phoneme_ids(&sounds, &self.file.phoneme_id_map);
        Ok(Spelled { ids, weights: sound_weights(&sounds) })
    }

    /// Of the noise, the pace and the pace's noise.
    fn scales(&self, speed: f32) -> [f32; 3] {
        let inference = &self.file.inference;
        [inference.noise_scale, inference.length_scale / speed, inference.noise_w]
    }
}

impl Synthesizer for Model {
    type Part = Latent;

    fn rate_hz(&self) -> u32 {
        self.file.audio.sample_rate
    }

    fn begin(&mut self, text: &str, voice: &Voice) -> Result<Begun<Latent>, ModelError> {
        let begun = self.begin_together(&[(text, voice)]).pop();
        begun.unwrap_or(Err(ModelError::Stopped { engine: ENGINE }))
    }

    fn next(&mut self, part: &mut Latent) -> Result<Option<Vec<f32>>, ModelError> {
        self.network.back(part).map_err(engine_error(ENGINE))
    }

    fn lengthen(&mut self, part: &mut Latent) {
        part.lengthen();
    }

    fn most_together(&self) -> usize {
        match self.network {
            Network::Cut(_) => MOST_TOGETHER,
            Network::Whole(_) => 1,
        }
    }

    fn begin_together(
        &mut self,
        lines: &[(&str, &Voice)],
    ) -> Vec<Result<Begun<Latent>, ModelError>> {
        let spelled: Vec<_> = lines.iter().map(|(text, voice)| self.spell(text, voice)).collect();
        let ids: Vec<Vec<i64>> = spelled.iter().flatten().map(|s| s.ids.clone()).collect();
        let speed = lines.first().map_or(1.0, |(_, voice)| voice.speed);
        let mut parts = match self.network.front(&ids, self.scales(speed)) {
            Ok(parts) => parts.into_iter(),
            Err(error) => {
                let error = engine_error(ENGINE)(error);
                return spelled.into_iter().map(|s| s.and(Err(error.clone()))).collect();
            }
        };
        let mut begun = |spelled: Spelled| {
            let part = parts.next().ok_or(ModelError::Stopped { engine: ENGINE })?;
            Ok(Begun { part, weights: spelled.weights })
        };
        spelled.into_iter().map(|spelled| spelled.and_then(&mut begun)).collect()
    }

    fn work(&self, part: &Latent) -> f64 {
        part.work()
    }

    fn goes_with(&self, part: &Latent, leader: &Latent) -> bool {
        part.goes_with(leader)
    }

    fn next_together(&mut self, parts: &mut [&mut Latent]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.network.back_together(parts).map_err(engine_error(ENGINE))
    }
}

#[cfg(test)]
mod real_tests;
