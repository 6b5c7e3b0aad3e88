//! The evidence gate: did somebody really say these words, or did the recognizer make them up?

use std::{collections::BTreeSet, time::Duration};

use crate::{
    Evidence, IgnoreReason, dictation,
    words::{normalized, without_stage_directions, words},
};

mod inventions;

/// What words need as support. The thresholds on the decoder's figures start from those of Whisper
/// (Radford et al. 2022, section 4.5).
#[derive(Clone, Debug, PartialEq)]
pub struct GateConfig {
    /// The least voice activity. 120 ms: "no" said fast on a telephone.
    pub voiced: Duration,
    /// The quietest speech, dBFS. -55.
    pub level_dbfs: f32,
    /// The least mean voice-activity probability. 0.6: speech has 0.85 and more, music that passes
    /// for speech in places 0.4-0.7.
    pub vad_mean: f32,
    /// The recognizer thinks that nobody spoke above this. 0.6: Whisper's own.
    pub no_speech: f32,
    /// Below this mean log-probability the recognizer guesses, and the voice must be strong. -1.0:
    /// Whisper's own.
    pub avg_logprob: f32,
    /// Below this it is not believed at all. -1.6.
    pub hopeless_logprob: f32,
    /// Above this the text repeats itself. 2.4: Whisper's own.
    pub compression_ratio: f32,
    /// What strong support is.
    pub strong: StrongEvidence,
}

/// Support strong enough for words that recognizers like to invent.
#[derive(Clone, Debug, PartialEq)]
pub struct StrongEvidence {
    /// Voice activity. 350 ms: "thank you" said fast.
    pub voiced: Duration,
    /// Mean voice-activity probability. 0.8.
    pub vad_mean: f32,
    /// The most that the recognizer may think nobody spoke. 0.3.
    pub no_speech: f32,
    /// The least mean log-probability. -0.7.
    pub avg_logprob: f32,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            voiced: Duration::from_millis(120),
            level_dbfs: -55.0,
            vad_mean: 0.6,
            no_speech: 0.6,
            avg_logprob: -1.0,
            hopeless_logprob: -1.6,
            compression_ratio: 2.4,
            strong: StrongEvidence {
                voiced: Duration::from_millis(350),
                vad_mean: 0.8,
                no_speech: 0.3,
                avg_logprob: -0.7,
            },
        }
    }
}

/// Whether `text` may become a turn, or why not.
pub fn judge(evidence: &Evidence, text: &str, config: &GateConfig) -> Result<(), IgnoreReason> {
    let spoken = without_stage_directions(text);
    let words = words(&spoken);
    let reason = if words.is_empty() {
        IgnoreReason::NoWords
    } else if evidence.voiced < config.voiced {
        IgnoreReason::TooShort
    } else if evidence.level_dbfs < config.level_dbfs {
        IgnoreReason::TooQuiet
    } else if evidence.vad_mean < config.vad_mean {
        IgnoreReason::UnsureVoice
    } else if is_no_speech(evidence, config) {
        IgnoreReason::NoSpeech
    } else if is_guess(evidence, config) {
        IgnoreReason::LowConfidence
    } else if is_repetitive(&words, evidence, config) {
        IgnoreReason::Repetitive
    } else if is_invented(&normalized(&spoken), evidence, config) {
        IgnoreReason::KnownHallucination
    } else {
        return Ok(());
    };
    Err(reason)
}

/// The recognizer's doubt alone is not enough: it doubts noisy speech too.
fn is_no_speech(evidence: &Evidence, config: &GateConfig) -> bool {
    evidence.no_speech > config.no_speech
        && (evidence.avg_logprob < config.strong.avg_logprob || !has_strong_voice(evidence, config))
}

fn is_guess(evidence: &Evidence, config: &GateConfig) -> bool {
    evidence.avg_logprob < config.hopeless_logprob
        || (evidence.avg_logprob < config.avg_logprob && !has_strong_voice(evidence, config))
}

/// Repeated digits are a telephone number; anything else that repeats is a decoder caught in a loop.
fn is_repetitive(words: &[String], evidence: &Evidence, config: &GateConfig) -> bool {
    let telling: Vec<&String> = words.iter().filter(|w| !dictation::is_unit(w)).collect();
    if telling.len() < LOOP_WORDS {
        return false;
    }
    let distinct = telling.iter().collect::<BTreeSet<_>>().len();
    evidence.compression_ratio > config.compression_ratio || distinct * 3 <= telling.len()
}

/// Fewer words do not make a loop: "no, no, no, no" is a person.
const LOOP_WORDS: usize = 6;

fn is_invented(text: &str, evidence: &Evidence, config: &GateConfig) -> bool {
    inventions::is_never_said(text)
        || (inventions::is_suspect(text) && !is_strong(evidence, config))
}

fn has_strong_voice(evidence: &Evidence, config: &GateConfig) -> bool {
    evidence.voiced >= config.strong.voiced && evidence.vad_mean >= config.strong.vad_mean
}

fn is_strong(evidence: &Evidence, config: &GateConfig) -> bool {
    has_strong_voice(evidence, config)
        && evidence.no_speech <= config.strong.no_speech
        && evidence.avg_logprob >= config.strong.avg_logprob
}
