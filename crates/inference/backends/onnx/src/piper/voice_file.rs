//! The JSON file that comes with a Piper voice.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;
use trunkline_inference::ModelError;

use crate::runtime::corrupt;

/// What a voice needs to be spoken to.
#[derive(Debug, Deserialize)]
pub(crate) struct VoiceFile {
    pub(crate) audio: Audio,
    pub(crate) espeak: EspeakVoice,
    pub(crate) inference: Inference,
    /// The numbers of each symbol; usually one.
    pub(crate) phoneme_id_map: HashMap<String, Vec<i64>>,
    #[serde(default = "one")]
    num_speakers: u32,
    #[serde(default)]
    language: Language,
    #[serde(default)]
    dataset: String,
}

/// The sound it makes.
#[derive(Debug, Deserialize)]
pub(crate) struct Audio {
    pub(crate) sample_rate: u32,
    #[serde(default)]
    quality: String,
}

/// The espeak-ng voice its sounds come from.
#[derive(Debug, Deserialize)]
pub(crate) struct EspeakVoice {
    pub(crate) voice: String,
}

/// How it was tuned.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Inference {
    pub(crate) noise_scale: f32,
    pub(crate) length_scale: f32,
    pub(crate) noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Self { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Language {
    code: String,
}

fn one() -> u32 {
    1
}

impl VoiceFile {
    /// Reads and checks the file.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path)
            .map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        let file: Self = serde_json::from_str(&text).map_err(|e| corrupt(path, e))?;
        for symbol in ["^", "$", "_"] {
            if !file.phoneme_id_map.contains_key(symbol) {
                return Err(corrupt(path, format!("phoneme_id_map lacks {symbol:?}")));
            }
        }
        if !(8_000..=48_000).contains(&file.audio.sample_rate) {
            return Err(corrupt(path, format!("sample rate {}", file.audio.sample_rate)));
        }
        if file.num_speakers > 1 {
            return Err(corrupt(path, "voices of several speakers are not supported"));
        }
        Ok(file)
    }

    /// The voice's name, as in `en_US-joe-medium`.
    pub(crate) fn name(&self) -> String {
        let parts = [&self.language.code, &self.dataset, &self.audio.quality];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        if parts.is_empty() { "piper".to_owned() } else { parts.join("-") }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    fn file(text: &str) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn voice(rate: u32, map: &str, speakers: u32) -> String {
        format!(
            r#"{{"audio":{{"sample_rate":{rate},"quality":"medium"}},"espeak":{{"voice":"en-us"}},
                "inference":{{"noise_scale":0.5,"length_scale":1.1,"noise_w":0.7}},
                "phoneme_id_map":{map},"num_speakers":{speakers},
                "language":{{"code":"en_US"}},"dataset":"joe"}}"#
        )
    }

    const MAP: &str = r#"{"^":[1],"$":[2],"_":[0]}"#;

    #[test]
    fn a_voice_is_named_by_language_data_and_quality() {
        let file = VoiceFile::read(file(&voice(22_050, MAP, 1)).path()).unwrap();
        assert_eq!(file.name(), "en_US-joe-medium");
        assert!((file.inference.length_scale - 1.1).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_spoken_with_is_told_why() {
        let cases = [
            ("{", "EOF"),
            (&voice(22_050, r#"{"^":[1],"_":[0]}"#, 1), "lacks \"$\""),
            (&voice(1, MAP, 1), "sample rate 1"),
            (&voice(22_050, MAP, 3), "several speakers"),
        ];
        for (text, reason) in cases {
            let error = VoiceFile::read(file(text).path()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_missing() {
        let error = VoiceFile::read(Path::new("/nowhere/voice.json")).unwrap_err();
        assert!(matches!(error, ModelError::Missing { .. }));
    }
}
