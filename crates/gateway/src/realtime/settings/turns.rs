//! Who ends the caller's turns: `audio.input.turn_detection`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_turn::{DetectorConfig, PatienceConfig, Taking, TurnConfig};

use crate::realtime::fault::Fault;

const PARAM: &str = "session.audio.input.turn_detection";
/// The silence that ends a turn unless the client says how long, as OpenAI's.
const SILENCE_MS: u32 = 500;
/// The sound before speech that is counted to it unless the client says how much, as OpenAI's.
const PADDING_MS: u32 = 300;
/// The longest of either. 10 s: nobody waits longer for an answer.
const LONGEST_MS: u32 = 10_000;

/// Turn detection as clients write it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TurnDetection {
    /// By silence alone.
    ServerVad(ServerVad),
    /// By silence, words and the end-of-turn model.
    SemanticVad(SemanticVad),
}

/// `server_vad`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerVad {
    threshold: Option<f32>,
    prefix_padding_ms: Option<u32>,
    silence_duration_ms: Option<u32>,
    create_response: Option<bool>,
    interrupt_response: Option<bool>,
    idle_timeout_ms: Option<u32>,
}

/// `semantic_vad`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SemanticVad {
    eagerness: Option<Eagerness>,
    create_response: Option<bool>,
    interrupt_response: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Eagerness {
    Low,
    Medium,
    High,
    Auto,
}

/// How a session takes turns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turns {
    /// `None`: the client says when a turn ends.
    detection: Option<TurnDetection>,
}

impl Turns {
    /// Checks what the types cannot.
    pub(crate) fn new(detection: Option<TurnDetection>) -> Result<Self, Fault> {
        if let Some(TurnDetection::ServerVad(vad)) = &detection {
            vad.check()?;
        }
        Ok(Self { detection })
    }

    /// Whether the client says when a turn ends.
    pub(crate) fn is_manual(&self) -> bool {
        self.detection.is_none()
    }

    /// How much sound before speech is told as its own.
    pub(crate) fn padding_ms(&self) -> u64 {
        match &self.detection {
            Some(TurnDetection::ServerVad(vad)) => {
                vad.prefix_padding_ms.unwrap_or(PADDING_MS).into()
            }
            Some(TurnDetection::SemanticVad(_)) | None => 0,
        }
    }

    /// How much silence after speech is told as its own.
    pub(crate) fn silence_ms(&self) -> u64 {
        match &self.detection {
            Some(TurnDetection::ServerVad(vad)) => vad.silence().into(),
            Some(TurnDetection::SemanticVad(_)) | None => 0,
        }
    }

    /// Has an agent take turns like this. `may_reply` is false where sessions only transcribe.
    pub(crate) fn apply(
        &self,
        turn: &mut TurnConfig,
        detector: &mut DetectorConfig,
        may_reply: bool,
    ) {
        let (create, interrupt) = match &self.detection {
            None => {
                turn.taking = Taking::Manual;
                return;
            }
            Some(TurnDetection::ServerVad(vad)) => {
                turn.patience = PatienceConfig::fixed(Duration::from_millis(vad.silence().into()));
                turn.silence.idle_after = vad.idle();
                if let Some(threshold) = vad.threshold {
                    let gap = detector.start_probability - detector.stop_probability;
                    detector.start_probability = threshold;
                    detector.stop_probability = (threshold - gap).max(threshold / 2.0);
                }
                (vad.create_response, vad.interrupt_response)
            }
            Some(TurnDetection::SemanticVad(vad)) => {
                turn.patience = vad.patience();
                (vad.create_response, vad.interrupt_response)
            }
        };
        turn.taking = Taking::Automatic {
            replies: may_reply && create.unwrap_or(true),
            yields: interrupt.unwrap_or(true),
        };
    }

    /// As sessions show it, whole.
    pub(crate) fn json(&self) -> Value {
        match &self.detection {
            None => Value::Null,
            Some(TurnDetection::ServerVad(vad)) => json!({
                "type": "server_vad",
                "threshold": vad.threshold.map_or(0.5, f64::from),
                "prefix_padding_ms": vad.prefix_padding_ms.unwrap_or(PADDING_MS),
                "silence_duration_ms": vad.silence(),
                "idle_timeout_ms": vad.idle_timeout_ms,
                "create_response": vad.create_response.unwrap_or(true),
                "interrupt_response": vad.interrupt_response.unwrap_or(true),
            }),
            Some(TurnDetection::SemanticVad(vad)) => json!({
                "type": "semantic_vad",
                "eagerness": vad.eagerness.unwrap_or(Eagerness::Auto).name(),
                "create_response": vad.create_response.unwrap_or(true),
                "interrupt_response": vad.interrupt_response.unwrap_or(true),
            }),
        }
    }
}

impl ServerVad {
    fn check(&self) -> Result<(), Fault> {
        let field = |name: &str| format!("{PARAM}.{name}");
        if self.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
            return Err(Fault::value(field("threshold"), "the threshold is between 0 and 1"));
        }
        if self.idle_timeout_ms.is_some_and(|ms| !(5_000..=30_000).contains(&ms)) {
            let message = "the idle timeout is between 5000 and 30000 ms";
            return Err(Fault::value(field("idle_timeout_ms"), message));
        }
        for (name, ms) in [
            ("silence_duration_ms", self.silence_duration_ms),
            ("prefix_padding_ms", self.prefix_padding_ms),
        ] {
            if ms.is_some_and(|ms| ms > LONGEST_MS) {
                return Err(Fault::value(field(name), format!("{name} is at most {LONGEST_MS}")));
            }
        }
        Ok(())
    }

    fn silence(&self) -> u32 {
        self.silence_duration_ms.unwrap_or(SILENCE_MS)
    }

    fn idle(&self) -> Option<Duration> {
        self.idle_timeout_ms.map(|ms| Duration::from_millis(ms.into()))
    }
}

impl SemanticVad {
    /// Our own patience; eagerness scales it up to OpenAI's longest waits of 2, 4 and 8 s.
    fn patience(&self) -> PatienceConfig {
        let own = PatienceConfig::default();
        let (scale, longest_s) = match self.eagerness.unwrap_or(Eagerness::Auto) {
            Eagerness::High => (0.8, 2),
            Eagerness::Medium | Eagerness::Auto => (1.0, 4),
            Eagerness::Low => (2.0, 8),
        };
        PatienceConfig { longest: Duration::from_secs(longest_s), ..own.scaled(scale) }
    }
}

impl Eagerness {
    fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(detection: Value) -> Result<Turns, Fault> {
        Turns::new(crate::realtime::settings::parse(detection, "session")?)
    }

    fn applied(detection: Value) -> (TurnConfig, DetectorConfig) {
        let (mut turn, mut detector) = (TurnConfig::default(), DetectorConfig::default());
        turns(detection).unwrap().apply(&mut turn, &mut detector, true);
        (turn, detector)
    }

    #[test]
    fn server_vad_waits_a_fixed_silence() {
        let (turn, detector) = applied(json!({
            "type": "server_vad", "silence_duration_ms": 700, "threshold": 0.8,
            "idle_timeout_ms": 6000, "interrupt_response": false,
        }));
        assert_eq!(turn.patience, PatienceConfig::fixed(Duration::from_millis(700)));
        assert_eq!(turn.silence.idle_after, Some(Duration::from_secs(6)));
        assert_eq!(turn.taking, Taking::Automatic { replies: true, yields: false });
        assert!((detector.start_probability - 0.8).abs() < 1e-6);
        assert!(detector.stop_probability < detector.start_probability);
    }

    #[test]
    fn eager_turns_end_sooner_than_patient_ones() {
        let finished = |eagerness: &str| {
            applied(json!({"type": "semantic_vad", "eagerness": eagerness})).0.patience
        };
        let [high, auto, low] = ["high", "auto", "low"].map(finished);
        assert!(high.finished < auto.finished && auto.finished < low.finished);
        let longest = [high.longest, auto.longest, low.longest].map(|wait| wait.as_secs());
        assert_eq!(longest, [2, 4, 8]);
        assert_eq!(finished("medium"), finished("auto"));
    }

    #[test]
    fn without_detection_the_client_ends_turns() {
        assert_eq!(applied(Value::Null).0.taking, Taking::Manual);
        assert!(turns(Value::Null).unwrap().is_manual());
    }

    #[test]
    fn where_nobody_replies_turns_still_end() {
        let mut turn = TurnConfig::default();
        let vad = turns(json!({"type": "server_vad"})).unwrap();
        vad.apply(&mut turn, &mut DetectorConfig::default(), false);
        assert_eq!(turn.taking, Taking::Automatic { replies: false, yields: true });
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (field, value) in [
            ("threshold", json!(1.5)),
            ("idle_timeout_ms", json!(4999)),
            ("idle_timeout_ms", json!(30_001)),
            ("silence_duration_ms", json!(10_001)),
        ] {
            let fault = turns(json!({"type": "server_vad", field: value})).unwrap_err();
            assert_eq!(fault.json(None)["param"], format!("{PARAM}.{field}"));
        }
    }

    #[test]
    fn what_is_shown_is_what_was_asked() {
        for asked in [
            Value::Null,
            json!({"type": "server_vad", "threshold": 0.25, "prefix_padding_ms": 1,
                "silence_duration_ms": 2, "idle_timeout_ms": 5000, "create_response": false,
                "interrupt_response": false}),
            json!({"type": "semantic_vad", "eagerness": "low", "create_response": false,
                "interrupt_response": true}),
        ] {
            assert_eq!(turns(asked.clone()).unwrap().json(), asked);
        }
    }
}
