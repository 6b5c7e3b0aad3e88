//! A plan: everything decided about a call before it starts.

use std::{fmt, sync::Arc, time::Duration};

use trunkline_inference::{
    ChatModel, EndOfTurn, SpeechToText, TextToSpeech, Tool, ToolChoice, Voice, VoiceActivity,
    cache_salt, lane::Load, schedule::Tenant,
};
use trunkline_turn::{DetectorConfig, Script, TurnConfig};

use crate::{Announcements, CallId, Modality};

/// Who answers, and how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name in the config file.
    pub name: String,
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
    /// The functions that its model knows.
    pub tools: Vec<Tool>,
    /// When it calls them.
    pub tool_choice: ToolChoice,
    /// Whether its replies are spoken.
    pub modality: Modality,
    /// Words that callers are likely to say, for the recognizer.
    pub hints: Option<String>,
    /// How much sound may wait at the leg before a reply is held back; the lanes behind it pause.
    pub lead: Duration,
    /// What it says by itself: greeting, prompts, apology, farewell.
    pub script: Script,
    /// How it takes turns.
    pub turn: TurnConfig,
    /// When sound counts as speech.
    pub detector: DetectorConfig,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            name: String::new(),
            instructions: String::new(),
            voice: Voice::default(),
            language: None,
            max_reply_tokens: 200,
            temperature: 0.0,
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            modality: Modality::default(),
            hints: None,
            lead: Self::TELEPHONE_LEAD,
            script: Script::default(),
            turn: TurnConfig::default(),
            detector: DetectorConfig::default(),
        }
    }
}

impl Agent {
    /// What may wait at the leg of a telephone: 15 s.
    pub const TELEPHONE_LEAD: Duration = Duration::from_secs(15);

    /// Calls of one tenant to agents with the same name and instructions may share evaluated prompts.
    pub fn cache_salt(&self, tenant: Tenant) -> u64 {
        cache_salt((tenant, &self.name, &self.instructions))
    }
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
    /// What the voice has said already.
    pub announcements: Arc<Announcements>,
}

impl Models {
    /// How busy their lanes are.
    pub fn lane_loads(&self) -> Vec<Arc<Load>> {
        let shared = [self.stt.lane_loads(), self.llm.lane_loads(), self.tts.lane_loads()];
        let end_of_turn = self.end_of_turn.as_ref().and_then(|model| model.lane_load());
        let others = [self.vad.lane_load(), end_of_turn];
        shared.into_iter().flatten().chain(others.into_iter().flatten()).collect()
    }
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
    /// Who is charged for it.
    pub tenant: Tenant,
    /// Who answers.
    pub agent: Arc<Agent>,
    /// With what.
    pub models: Models,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, instructions: &str) -> Agent {
        Agent {
            name: name.into(),
            instructions: instructions.into(),
            voice: Voice::default(),
            language: None,
            max_reply_tokens: 80,
            temperature: 0.0,
            script: Script::default(),
            turn: TurnConfig::default(),
            detector: DetectorConfig::default(),
            ..Agent::default()
        }
    }

    #[test]
    fn only_calls_to_the_same_agent_share_evaluated_prompts() {
        let salt = |name, instructions| agent(name, instructions).cache_salt(Tenant(0));
        assert_eq!(salt("a", "Be brief."), salt("a", "Be brief."));
        assert_ne!(salt("a", "Be brief."), salt("b", "Be brief."));
        assert_ne!(salt("a", "Be brief."), salt("a", "Be kind."));
        assert_ne!(salt("ab", "c"), salt("a", "bc"));
        let of = |tenant| agent("a", "Be brief.").cache_salt(Tenant(tenant));
        assert_eq!(of(0), salt("a", "Be brief."));
        assert_ne!(of(1), of(2));
    }
}
