//! A journal entry: what a session noted, as it is written down.

use serde::{Deserialize, Serialize};
use trunkline_session::{
    Record, StageTimes, What,
    event::{Evidence, TurnEndReason},
};

use crate::timestamp::{duration_micros, duration_of, micros};

/// One thing that happened in a call, numbered so that none is applied to the store twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the journal, counted from 1 over the life of a data folder.
    pub position: u64,
    /// The call's id, a UUID.
    pub call: String,
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
    /// What.
    pub what: Happening,
}

impl Entry {
    /// The entry for a record.
    pub fn new(position: u64, record: Record) -> Self {
        Self {
            position,
            call: record.call.to_string(),
            at_us: micros(record.at),
            what: record.what.into(),
        }
    }
}

/// What happened, in the words and units of the journal file. Names of reasons are text, so that
/// a journal written by another version can still be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// The call was answered.
    Answered(Answered),
    /// The caller's turn ended.
    TurnEnded(TurnEnded),
    /// First audio of the reply to a turn left for the caller.
    ReplySounded {
        /// The turn answered.
        turn: u32,
        /// Where the time went.
        stages: StageMicros,
    },
    /// A reply is over.
    ReplyHeard {
        /// The turn answered; `None` for greetings, prompts and apologies.
        turn: Option<u32>,
        /// What was heard of it.
        said: Said,
    },
    /// Sound was not taken as a turn.
    SpeechIgnored {
        /// Why, in one word.
        reason: String,
        /// What the recognizer made of it.
        text: String,
        /// On what evidence.
        evidence: EvidenceNumbers,
    },
    /// Another decision.
    Decided {
        /// In one word.
        decision: String,
        /// The reason.
        detail: String,
    },
    /// A key was pressed.
    Pressed,
    /// A model failed.
    ModelFailed {
        /// What it said.
        reason: String,
    },
    /// The call is over.
    Ended {
        /// Why.
        reason: String,
        /// How long it lasted.
        duration_us: i64,
    },
}

/// An answered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Its name on the wire; empty where there is none.
    pub wire_id: String,
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// The kind of leg.
    pub leg: String,
    /// The agent's name.
    pub agent: String,
}

/// A caller's turn that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEnded {
    /// Its number.
    pub turn: u32,
    /// What was heard.
    pub text: String,
    /// Why it ended.
    pub reason: String,
    /// How long the caller had been silent when that was decided.
    pub silence_us: i64,
    /// The end-of-turn model's judgement.
    pub end_probability: Option<f32>,
    /// Where in the caller's audio the turn's sound ended.
    pub speech_end_media_ms: u64,
}

/// What the caller heard of something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The words heard.
    pub text: String,
    /// Whether that was all of it.
    pub whole: bool,
    /// Whether the caller interrupted it.
    pub interrupted: bool,
}

impl From<What> for Happening {
    fn from(what: What) -> Self {
        match what {
            What::Answered { wire_id, from, to, leg, agent } => {
                Self::Answered(Answered { wire_id, from, to, leg: leg.to_owned(), agent })
            }
            What::TurnEnded {
                turn,
                text,
                reason,
                silence,
                end_probability,
                speech_end_media_ms,
            } => Self::TurnEnded(TurnEnded {
                turn,
                text,
                reason: end_reason(reason).to_owned(),
                silence_us: duration_micros(silence),
                end_probability: end_probability.filter(|p| p.is_finite()),
                speech_end_media_ms,
            }),
            What::ReplySounded { turn, stages } => {
                Self::ReplySounded { turn, stages: stages.into() }
            }
            What::ReplyHeard { turn, text, whole, interrupted } => {
                Self::ReplyHeard { turn, said: Said { text, whole, interrupted } }
            }
            What::SpeechIgnored { reason, text, evidence } => {
                Self::SpeechIgnored { reason, text, evidence: evidence.into() }
            }
            What::Decided { kind, detail } => Self::Decided { decision: kind.to_owned(), detail },
            What::RanDry { gap } => Self::Decided {
                decision: "ran_dry".to_owned(),
                detail: format!("nothing to play for {} ms", gap.as_millis()),
            },
            What::Pressed => Self::Pressed,
            What::ModelFailed { reason } => Self::ModelFailed { reason },
            What::Ended { reason, duration } => Self::Ended {
                reason: reason.as_str().to_owned(),
                duration_us: duration_micros(duration),
            },
        }
    }
}

fn end_reason(reason: TurnEndReason) -> &'static str {
    match reason {
        TurnEndReason::Finished => "finished",
        TurnEndReason::SilenceTimeout => "silence_timeout",
        TurnEndReason::RecognizerTimeout => "recognizer_timeout",
        TurnEndReason::TooLong => "too_long",
    }
}

/// [`StageTimes`] in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMicros {
    /// Waiting to be sure that the caller had finished.
    pub endpoint: i64,
    /// The recognizer's answer.
    pub stt: i64,
    /// The language model's first token.
    pub llm_first_token: i64,
    /// The first clause and its first audio.
    pub tts_first_audio: i64,
    /// From there to the wire.
    pub playout: i64,
}

impl From<StageTimes> for StageMicros {
    fn from(stages: StageTimes) -> Self {
        Self {
            endpoint: duration_micros(stages.endpoint),
            stt: duration_micros(stages.stt),
            llm_first_token: duration_micros(stages.llm_first_token),
            tts_first_audio: duration_micros(stages.tts_first_audio),
            playout: duration_micros(stages.playout),
        }
    }
}

impl From<StageMicros> for StageTimes {
    fn from(stages: StageMicros) -> Self {
        Self {
            endpoint: duration_of(stages.endpoint),
            stt: duration_of(stages.stt),
            llm_first_token: duration_of(stages.llm_first_token),
            tts_first_audio: duration_of(stages.tts_first_audio),
            playout: duration_of(stages.playout),
        }
    }
}

/// [`Evidence`] with its units in the names. Numbers that JSON cannot hold are `null`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceNumbers {
    /// Voice activity, milliseconds.
    pub voiced_ms: u64,
    /// Loudness of the voiced part.
    pub level_dbfs: Option<f32>,
    /// Mean voice-activity probability.
    pub vad_mean: Option<f32>,
    /// The recognizer's probability that nobody spoke.
    pub no_speech: Option<f32>,
    /// Mean log-probability of the decoded tokens.
    pub avg_logprob: Option<f32>,
    /// Length of the text over its length compressed.
    pub compression_ratio: Option<f32>,
}

impl From<Evidence> for EvidenceNumbers {
    fn from(evidence: Evidence) -> Self {
        let finite = |number: f32| Some(number).filter(|n| n.is_finite());
        Self {
            voiced_ms: u64::try_from(evidence.voiced.as_millis()).unwrap_or(u64::MAX),
            level_dbfs: finite(evidence.level_dbfs),
            vad_mean: finite(evidence.vad_mean),
            no_speech: finite(evidence.no_speech),
            avg_logprob: finite(evidence.avg_logprob),
            compression_ratio: finite(evidence.compression_ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use trunkline_session::{CallId, HangupReason};

    use super::*;

    fn happening(what: What) -> Happening {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let entry = Entry::new(3, Record { call: CallId::new(), at, what });
        assert_eq!((entry.position, entry.at_us), (3, 1_000_000));
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry, "{json}");
        entry.what
    }

    #[test]
    fn a_turn_keeps_its_numbers_in_whole_microseconds() {
        let reasons = [
            (TurnEndReason::Finished, "finished"),
            (TurnEndReason::SilenceTimeout, "silence_timeout"),
            (TurnEndReason::RecognizerTimeout, "recognizer_timeout"),
            (TurnEndReason::TooLong, "too_long"),
        ];
        for (reason, name) in reasons {
            let kept = happening(What::TurnEnded {
                turn: 2,
                text: "nine, please".into(),
                reason,
                silence: Duration::from_nanos(240_000_999),
                end_probability: Some(0.1),
                speech_end_media_ms: 4200,
            });
            let expected = TurnEnded {
                turn: 2,
                text: "nine, please".into(),
                reason: name.into(),
                silence_us: 240_000,
                end_probability: Some(0.1),
                speech_end_media_ms: 4200,
            };
            assert_eq!(kept, Happening::TurnEnded(expected));
        }
    }

    #[test]
    fn stages_come_back_as_they_were() {
        let stages = StageTimes {
            endpoint: Duration::from_micros(1),
            stt: Duration::from_micros(20),
            llm_first_token: Duration::from_micros(300),
            tts_first_audio: Duration::from_millis(4),
            playout: Duration::from_millis(50),
        };
        let Happening::ReplySounded { turn: 1, stages: kept } =
            happening(What::ReplySounded { turn: 1, stages })
        else {
            panic!("another happening")
        };
        assert_eq!(StageTimes::from(kept), stages);
    }

    #[test]
    fn an_end_keeps_the_name_of_its_reason() {
        let reason = HangupReason::CallerSilent;
        let kept = happening(What::Ended { reason, duration: Duration::from_millis(5) });
        let expected = Happening::Ended { reason: "caller_silent".into(), duration_us: 5000 };
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_probability_that_is_no_number_is_left_out() {
        let kept = happening(What::TurnEnded {
            turn: 1,
            text: String::new(),
            reason: TurnEndReason::Finished,
            silence: Duration::MAX,
            end_probability: Some(f32::NAN),
            speech_end_media_ms: 0,
        });
        let Happening::TurnEnded(turn) = kept else { panic!("another happening") };
        assert_eq!((turn.end_probability, turn.silence_us), (None, i64::MAX));
    }

    #[test]
    fn everything_else_is_kept_word_for_word() {
        let wire_id = "a@b".to_owned();
        let (from, to, agent) = ("sip:a".to_owned(), "sip:b".to_owned(), "desk".to_owned());
        let answered = What::Answered { wire_id, from, to, leg: "sip", agent };
        let (text, reason) = ("Zürich \u{1f3a7}\n".to_owned(), "cough".to_owned());
        let evidence = Evidence { voiced: Duration::from_millis(80), ..Evidence::default() };
        for what in [
            answered,
            What::ReplyHeard { turn: None, text: text.clone(), whole: true, interrupted: false },
            What::ReplyHeard { turn: Some(1), text: text.clone(), whole: false, interrupted: true },
            What::SpeechIgnored { reason: reason.clone(), text, evidence },
            What::Decided { kind: "floor_recovered", detail: "stuck for 3 s".into() },
            What::Pressed,
            What::ModelFailed { reason },
        ] {
            happening(what);
        }
    }
}
