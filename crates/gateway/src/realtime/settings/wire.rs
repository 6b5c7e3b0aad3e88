//! A session as clients write it.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    tools::{ChoiceWire, MaxTokens, ToolWire},
    turns::TurnDetection,
};
use crate::realtime::codec::Format;

/// `RealtimeSessionCreateRequest` and `RealtimeTranscriptionSessionCreateRequest` of OpenAI's API. What is
/// [`IgnoredAny`] has no meaning for local models and is only shown again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionWire {
    pub(super) r#type: Kind,
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "object")]
    _object: IgnoredAny,
    #[serde(default, rename = "expires_at")]
    _expires_at: IgnoredAny,
    #[serde(default, rename = "client_secret")]
    _client_secret: IgnoredAny,
    #[serde(default, rename = "parallel_tool_calls")]
    _parallel_tool_calls: IgnoredAny,
    #[serde(default, rename = "truncation")]
    _truncation: IgnoredAny,
    #[serde(default, rename = "tracing")]
    _tracing: IgnoredAny,
    #[serde(default, rename = "reasoning")]
    _reasoning: IgnoredAny,
    #[serde(default, rename = "include")]
    _include: Option<Vec<String>>,
    pub(super) prompt: Option<IgnoredAny>,
    pub(super) model: Option<String>,
    pub(super) output_modalities: Option<Vec<Modality>>,
    pub(super) instructions: Option<String>,
    pub(super) tools: Option<Vec<ToolWire>>,
    pub(super) tool_choice: Option<ChoiceWire>,
    pub(super) max_output_tokens: Option<MaxTokens>,
    pub(super) audio: Option<AudioWire>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// To talk.
    Realtime,
    /// To write down what is said.
    Transcription,
}

/// What replies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Modality {
    /// Spoken.
    Audio,
    /// Written.
    Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AudioWire {
    pub(super) input: Option<InputWire>,
    pub(super) output: Option<OutputWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InputWire {
    pub(super) format: Option<Format>,
    pub(super) transcription: Option<Transcription>,
    #[serde(rename = "noise_reduction")]
    _noise_reduction: Option<NoiseReduction>,
    pub(super) turn_detection: Option<TurnDetection>,
}

/// Whether and how what the caller says is written down.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Transcription {
    pub(super) model: Option<String>,
    pub(super) language: Option<String>,
    pub(super) languages: Option<Vec<String>>,
    pub(super) keywords: Option<Vec<String>>,
    pub(super) prompt: Option<String>,
    #[serde(rename = "delay")]
    _delay: Option<Delay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Delay {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseReduction {
    #[serde(rename = "type")]
    _kind: Option<Field>,
    #[serde(rename = "strength")]
    _strength: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    NearField,
    FarField,
}

/// How replies sound.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutputWire {
    pub(crate) format: Option<Format>,
    pub(crate) voice: Option<VoiceWire>,
    pub(crate) speed: Option<f32>,
}

/// A voice: its name, or an object with its id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum VoiceWire {
    /// Its name.
    Name(String),
    /// Its id.
    Id {
        /// The id.
        id: String,
    },
}

impl VoiceWire {
    /// How clients call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Id { id: name } => name,
        }
    }
}
