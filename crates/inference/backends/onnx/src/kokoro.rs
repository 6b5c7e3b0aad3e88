//! Kokoro-82M: the natural voice, for English. A GPU speaks it at once; a CPU takes its time.

mod phonemes;
mod symbols;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ort::{session::Session, value::TensorRef};
use trunkline_inference::{
    ClauseStream, Device, Lane, ModelError, Party, Priority, SpeechStream, TextToSpeech, Voice,
    lane::Load,
};

use self::{phonemes::Phonemizer, symbols::token_ids};
use crate::{
    runtime::{Runtime, corrupt, engine_error},
    voice::{Begun, Synthesizer, Utterance, VoiceEngine, sound_weights, unknown_voice},
};

/// The engine's name in errors and thread lists.
const ENGINE: &str = "kokoro";
/// Spoken where no voice is named.
const DEFAULT_VOICE: &str = "af_heart";
/// A voice is a style for each number of tokens, 0..=509, of this many values.
const STYLE: usize = 256;
/// Styles in a voice.
const STYLES: usize = 510;

/// Where Kokoro is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KokoroConfig {
    /// The ONNX model, version 1.0.
    pub model: PathBuf,
    /// The folder of voices: one `NAME.bin` each, f32 `[510, 1, 256]`.
    pub voices: PathBuf,
    /// Threads of the runtime; 1 by default. A CPU core speaks about as fast as one listens.
    pub threads: usize,
    /// The espeak-ng program that sounds words outside the dictionary, `espeak-ng` by default.
    /// Without it such words are spelled.
    pub espeak: PathBuf,
    /// Whether to run on an NVIDIA GPU; the default is no.
    pub gpu: bool,
    /// Which of them, as CUDA numbers them; the default is the first, 0.
    pub gpu_number: u32,
    /// The device that it shares with other lanes. Default none: it steps whenever it has work.
    pub device: Option<Device>,
}

impl KokoroConfig {
    /// The defaults for `model` and the folder `voices`.
    pub fn new(model: impl Into<PathBuf>, voices: impl Into<PathBuf>) -> Self {
        let (model, voices) = (model.into(), voices.into());
        Self {
            model,
            voices,
            threads: 1,
            espeak: PathBuf::from("espeak-ng"),
            gpu: false,
            gpu_number: 0,
            device: None,
        }
    }
}

/// Kokoro on its own lane. Cloning shares the lane.
///
/// Speaks American (`a...`) and British (`b...`) voices; those of other languages in the folder are
/// not listed. Word timings are estimated from the number and kind of sounds.
#[derive(Clone)]
pub struct Kokoro {
    lane: Lane<VoiceEngine<Model>>,
    voices: Vec<String>,
}

impl Kokoro {
    /// Loads the model and its voices, starts the lane, and says a sentence to warm up.
    pub fn load(runtime: &Runtime, config: &KokoroConfig) -> Result<Self, ModelError> {
        let voices = voice_names(&config.voices)?;
        let names = voices.clone();
        let (runtime, config) = (runtime.clone(), config.clone());
        let device = config.device.clone();
        let lane = Lane::start_on(device, ENGINE, Priority::BehindAudio, move || {
            let mut engine = VoiceEngine::new(Model::open(&runtime, config, names)?);
            engine.warm_up()?;
            Ok(engine)
        })?;
        Ok(Self { lane, voices })
    }
}

impl TextToSpeech for Kokoro {
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
    session: Session,
    phonemizer: Phonemizer,
    folder: PathBuf,
    names: Vec<String>,
    /// The styles of the voices spoken so far.
    styles: HashMap<String, Vec<f32>>,
}

impl Model {
    fn open(
        runtime: &Runtime,
        config: KokoroConfig,
        names: Vec<String>,
    ) -> Result<Self, ModelError> {
        let session = if config.gpu {
            runtime.open_on_gpu(config.gpu_number, &config.model, config.threads)?
        } else {
            runtime.open(&config.model, config.threads)?
        };
        let phonemizer = Phonemizer::new(config.espeak);
        Ok(Self { session, phonemizer, folder: config.voices, names, styles: HashMap::new() })
    }

    /// The voice's name in full, once its styles are loaded.
    fn choose(&mut self, voice: &Voice) -> Result<String, ModelError> {
        let name = if voice.name.is_empty() { &self.names[0] } else { &voice.name };
        if !self.names.contains(name) {
            return Err(unknown_voice(name, &self.names));
        }
        if !self.styles.contains_key(name) {
            let styles = read_styles(&self.folder.join(format!("{name}.bin")))?;
            self.styles.insert(name.clone(), styles);
        }
        Ok(name.clone())
    }

    fn infer(&mut self, ids: &[i64], name: &str, speed: f32) -> ort::Result<Vec<f32>> {
        let row = ids.len().saturating_sub(2).min(STYLES - 1);
        let styles = self.styles.get(name).map(Vec::as_slice).unwrap_or_default();
        let style = styles.get(row * STYLE..(row + 1) * STYLE).unwrap_or_default();
        let speed = [speed];
        let outputs = self.session.run(ort::inputs![
            TensorRef::from_array_view(([1, ids.len()], ids))?,
            TensorRef::from_array_view(([1, STYLE], style))?,
            TensorRef::from_array_view(([1], speed.as_slice()))?,
        ])?;
        let (_, samples) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(samples.to_vec())
    }
}

/// A part that has not been said yet; the model says it in one go.
pub(crate) struct Line {
    ids: Vec<i64>,
    voice: String,
    speed: f32,
}

impl Synthesizer for Model {
    type Part = Option<Line>;

    fn rate_hz(&self) -> u32 {
        crate::voice::SPOKEN_HZ
    }

    fn begin(&mut self, text: &str, voice: &Voice) -> Result<Begun<Self::Part>, ModelError> {
        let name = self.choose(voice)?;
        let sounds = self.phonemizer.phonemes(text, name.starts_with('b'))?;
        let line = Line { ids: token_ids(&sounds), voice: name, speed: voice.speed };
        Ok(Begun { part: Some(line), weights: sound_weights(&sounds) })
    }

    fn next(&mut self, part: &mut Self::Part) -> Result<Option<Vec<f32>>, ModelError> {
        let Some(line) = part.take() else { return Ok(None) };
        let samples = self.infer(&line.ids, &line.voice, line.speed);
        samples.map(Some).map_err(engine_error(ENGINE))
    }
}

/// The English voices in `folder`, the default one first.
fn voice_names(folder: &Path) -> Result<Vec<String>, ModelError> {
    let files = folder.read_dir().map_err(|_| ModelError::Missing { path: folder.to_owned() })?;
    let mut names: Vec<String> = files
        .flatten()
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".bin")?.to_owned()))
        .filter(|name| name.starts_with(['a', 'b']))
        .collect();
    names.sort_by_key(|name| (name != DEFAULT_VOICE, name.clone()));
    if names.is_empty() {
        return Err(ModelError::Missing { path: folder.join(format!("{DEFAULT_VOICE}.bin")) });
    }
    Ok(names)
}

fn read_styles(path: &Path) -> Result<Vec<f32>, ModelError> {
    let bytes = std::fs::read(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
    if bytes.len() != STYLES * STYLE * size_of::<f32>() {
        return Err(corrupt(path, format!("{} bytes where 522240 belong", bytes.len())));
    }
    let (values, _) = bytes.as_chunks::<4>();
    Ok(values.iter().map(|&value| f32::from_le_bytes(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed;

    #[test]
    fn english_voices_are_listed_the_default_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bf_emma.bin", "af_alloy.bin", "af_heart.bin", "zf_xiaoni.bin", "readme.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = voice_names(folder.path()).unwrap();
        assert_eq!(names, ["af_heart", "af_alloy", "bf_emma"]);
    }

    #[test]
    fn a_folder_without_voices_is_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = voice_names(folder.path()).unwrap_err().to_string();
        assert!(error.contains("af_heart.bin is missing"), "{error}");
        assert!(voice_names(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_voice_of_the_wrong_size_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("af_heart.bin");
        std::fs::write(&path, [0; 100]).unwrap();
        let error = read_styles(&path).unwrap_err().to_string();
        assert!(error.contains("100 bytes where 522240 belong"), "{error}");
    }

    #[test]
    #[ignore = "needs models"]
    fn real_speech_is_levelled_and_as_long_as_it_says() {
        let folder = testbed::model("kokoro-82m");
        let config = KokoroConfig::new(folder.join("model.onnx"), folder.join("voices"));
        let kokoro = Kokoro::load(&testbed::runtime(), &config).unwrap();
        assert_eq!(kokoro.voices()[0], DEFAULT_VOICE);
        testbed::check_voice(&kokoro, "bf_emma");
    }
}
