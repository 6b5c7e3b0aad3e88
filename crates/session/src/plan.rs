//! A plan: everything decided about a call before it starts.

use std::{fmt, sync::Arc, time::Duration};

use trunkline_inference::{ChatModel, EndOfTurn, SpeechToText, TextToSpeech, Voice, VoiceActivity};

use crate::CallId;

/// Who answers, and how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name in the config file.
    pub name: String,
    /// What it says first; empty for nothing.
    pub greeting: String,
    /// The system message of its chats.
    pub instructions: String,
    /// Its voice.
    pub voice: Voice,
    /// ISO 639-1 code of what callers speak; `None` has the recognizer find out.
    pub language: Option<String>,
    /// The most tokens a reply may have.
    pub max_reply_tokens: u32,
    /// Sampling temperature.
    pub temperature: f32,
    /// What it says when a model fails, before it hangs up.
    pub apology: String,
    /// What it says when the caller is silent, in turn; after the last it says goodbye.
    pub silence_prompts: Vec<String>,
    /// How long the caller may be silent before a silence prompt.
    pub silence_after: Duration,
    /// Last words before hanging up on a silent caller.
    pub farewell: String,
    /// How long a call may last.
    pub max_duration: Duration,
}

/// The models that serve a call. Shared between calls; cloning is cheap.
#[derive(Clone)]
pub struct Models {
    /// Hears.
    pub stt: Arc<dyn SpeechToText>,
    /// Thinks.
    pub llm: Arc<dyn ChatModel>,
    /// Speaks.
    pub tts: Arc<dyn TextToSpeech>,
    /// Finds voice activity.
    pub vad: Arc<dyn VoiceActivity>,
    /// Judges ends of turns; `None` leaves it to silence and words.
    pub end_of_turn: Option<Arc<dyn EndOfTurn>>,
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").finish_non_exhaustive()
    }
}

/// Everything decided about a call before it starts; immutable.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The call's id.
    pub call: CallId,
    /// What the wire calls this call: SIP's Call-ID; empty where the wire has no name for it.
    pub wire_id: String,
    /// Who calls, as the leg tells: a SIP URI, say.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// Which kind of leg: `sip`, `microphone`.
    pub leg: &'static str,
    /// Who answers.
    pub agent: Arc<Agent>,
    /// With what.
    pub models: Models,
}
