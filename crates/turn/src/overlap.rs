//! A sound of the caller over our reply: a cough, a listener's noise, or an interruption?

use crate::{GateConfig, Heard, IgnoreReason, backchannel::is_backchannel, gate::judge};

/// What a sound over our reply was, by its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// No words: a cough, a door, music. The gate says why.
    Noise(IgnoreReason),
    /// "Uh-huh": the caller listens and wants us to go on.
    Backchannel,
    /// Words with something to say.
    Interruption,
}

/// Classifies what the recognizer made of a sound over our reply. Guessed words do not stop us, however
/// strong the voice: "mm-hmm" is guessed to be "no".
pub fn classify(heard: &Heard, gate: &GateConfig) -> Sound {
    if is_backchannel(&heard.text) {
        return Sound::Backchannel;
    }
    match judge(&heard.evidence, &heard.text, gate) {
        Ok(()) if heard.evidence.avg_logprob < gate.avg_logprob => {
            Sound::Noise(IgnoreReason::LowConfidence)
        }
        Ok(()) => Sound::Interruption,
        Err(reason) => Sound::Noise(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Evidence;

    fn heard(text: &str, voiced_ms: u64) -> Heard {
        let evidence = Evidence {
            voiced: Duration::from_millis(voiced_ms),
            level_dbfs: -25.0,
            vad_mean: 0.92,
            avg_logprob: -0.3,
            ..Evidence::default()
        };
        Heard { text: text.into(), answers: None, evidence }
    }

    #[test]
    fn sounds_over_a_reply_are_told_apart_by_their_words() {
        let cases = [
            ("Uh-huh.", 400, Sound::Backchannel),
            ("Okay.", 350, Sound::Backchannel),
            ("No, wait.", 400, Sound::Interruption),
            ("Stop.", 350, Sound::Interruption),
            ("Yeah, but not on Sunday.", 900, Sound::Interruption),
            ("", 500, Sound::Noise(IgnoreReason::NoWords)),
            ("(coughs)", 350, Sound::Noise(IgnoreReason::NoWords)),
            ("Thank you.", 310, Sound::Noise(IgnoreReason::KnownHallucination)),
            ("Stop.", 60, Sound::Noise(IgnoreReason::TooShort)),
        ];
        for (text, voiced, expected) in cases {
            assert_eq!(classify(&heard(text, voiced), &GateConfig::default()), expected, "{text}");
        }
    }

    #[test]
    fn guessed_words_of_a_strong_voice_do_not_stop_us() {
        let mut guessed = heard("No", 384);
        guessed.evidence.avg_logprob = -1.2;
        let gate = GateConfig::default();
        assert_eq!(judge(&guessed.evidence, &guessed.text, &gate), Ok(()));
        assert_eq!(classify(&guessed, &gate), Sound::Noise(IgnoreReason::LowConfidence));
    }

    #[test]
    fn a_listeners_noise_is_one_on_any_evidence() {
        let mut uh_huh = heard("Mm-hmm", 100);
        uh_huh.evidence.avg_logprob = -3.0;
        assert_eq!(classify(&uh_huh, &GateConfig::default()), Sound::Backchannel);
    }
}
