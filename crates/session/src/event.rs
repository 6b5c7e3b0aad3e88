//! What a session tells those who watch it: journal, metrics, screens.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;
pub use trunkline_turn::{Evidence, TurnEndReason};
use uuid::Uuid;

/// A call's id: time-ordered (version 7 of RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct CallId(pub Uuid);

impl CallId {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupReason {
    /// The caller hung up.
    CallerHungUp,
    /// The caller gave up before the call was answered.
    Cancelled,
    /// The agent said goodbye.
    AgentHungUp,
    /// The caller was silent through every prompt.
    CallerSilent,
    /// No sound came over the wire.
    NoMedia,
    /// The call lasted as long as a call may.
    TooLong,
    /// A model failed.
    ModelFailed,
    /// The leg failed.
    LegFailed,
    /// The server is stopping.
    Shutdown,
    /// The process died; found at the next start.
    Crashed,
}

impl HangupReason {
    /// The name used in records, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::Cancelled => "cancelled",
            Self::AgentHungUp => "agent_hung_up",
            Self::CallerSilent => "caller_silent",
            Self::NoMedia => "no_media",
            Self::TooLong => "too_long",
            Self::ModelFailed => "model_failed",
            Self::LegFailed => "leg_failed",
            Self::Shutdown => "shutdown",
            Self::Crashed => "crashed",
        }
    }
}

/// Where the time between the caller's last sound and our first went, by milestones that follow
/// each other on the critical path; their sum is the turn latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Waiting to be sure that the caller had finished: silence before the recognizer was asked, and
    /// any wait for the decision after the reply's audio was ready.
    pub endpoint: Duration,
    /// The recognizer's answer.
    pub stt: Duration,
    /// The language model's first token.
    pub llm_first_token: Duration,
    /// The first clause and its first audio.
    pub tts_first_audio: Duration,
    /// From there to the wire.
    pub playout: Duration,
}

impl StageTimes {
    /// The turn latency.
    pub fn total(&self) -> Duration {
        self.endpoint + self.stt + self.llm_first_token + self.tts_first_audio + self.playout
    }
}

/// One entry of a call's record, with when it happened (wall clock, for people and databases).
#[derive(Clone, Debug)]
pub struct Record {
    /// The call.
    pub call: CallId,
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The call was answered.
    Answered {
        /// What the wire calls this call: SIP's Call-ID; empty where the wire has no name for it.
        wire_id: String,
        /// Who calls.
        from: String,
        /// Who was called.
        to: String,
        /// The kind of leg.
        leg: &'static str,
        /// The agent's name.
        agent: String,
    },
    /// The caller's turn ended.
    TurnEnded {
        /// Its number.
        turn: u32,
        /// What was heard.
        text: String,
        /// Why it ended.
        reason: TurnEndReason,
        /// How long the caller had been silent when that was decided.
        silence: Duration,
        /// The end-of-turn model's judgement.
        end_probability: Option<f32>,
        /// Where in the caller's audio the turn's sound ended, milliseconds since the call began.
        speech_end_media_ms: u64,
    },
    /// First audio of the reply to a turn left for the caller.
    ReplySounded {
        /// The turn answered.
        turn: u32,
        /// Where the time went.
        stages: StageTimes,
    },
    /// A reply is over.
    ReplyHeard {
        /// The turn answered; `None` for greetings, prompts and apologies.
        turn: Option<u32>,
        /// What the caller heard of it.
        text: String,
        /// Whether that was all of it.
        whole: bool,
        /// Whether the caller interrupted it.
        interrupted: bool,
    },
    /// Sound was not taken as a turn.
    SpeechIgnored {
        /// Why, in one word.
        reason: String,
        /// What the recognizer made of it.
        text: String,
        /// On what evidence.
        evidence: Evidence,
    },
    /// Another decision with its reason, readable.
    Decided {
        /// In one word.
        kind: &'static str,
        /// The reason.
        detail: String,
    },
    /// A reply had nothing to play for a while though more of it was to come.
    RanDry {
        /// How long the caller heard nothing.
        gap: Duration,
    },
    /// A key was pressed (the key itself is not kept: it may be a secret).
    Pressed,
    /// A model failed.
    ModelFailed {
        /// What it said.
        reason: String,
    },
    /// The call is over.
    Ended {
        /// Why.
        reason: HangupReason,
        /// How long it lasted.
        duration: Duration,
    },
}

/// Watches calls. Called on the audio path: must only queue.
pub trait Observer: Send + Sync {
    /// Takes note.
    fn note(&self, record: Record);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_to_end_a_call_has_a_name_of_its_own() {
        let reasons = [
            HangupReason::CallerHungUp,
            HangupReason::Cancelled,
            HangupReason::AgentHungUp,
            HangupReason::CallerSilent,
            HangupReason::NoMedia,
            HangupReason::TooLong,
            HangupReason::ModelFailed,
            HangupReason::LegFailed,
            HangupReason::Shutdown,
            HangupReason::Crashed,
        ];
        let names: std::collections::BTreeSet<&str> = reasons.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), reasons.len());
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(names.iter().all(is_plain), "{names:?}");
    }

    #[test]
    fn calls_are_numbered_in_the_order_they_came() {
        let calls: Vec<CallId> = (0..100).map(|_| CallId::new()).collect();
        assert!(calls.is_sorted());
        assert_eq!(calls[0].to_string().len(), 36);
        assert_ne!(CallId::default(), CallId::default());
    }

    #[test]
    fn the_total_is_the_sum_of_the_stages() {
        let ms = Duration::from_millis;
        let stages = StageTimes {
            endpoint: ms(100),
            stt: ms(20),
            llm_first_token: ms(3),
            tts_first_audio: ms(4000),
            playout: ms(50_000),
        };
        assert_eq!(stages.total(), ms(54_123));
    }
}
