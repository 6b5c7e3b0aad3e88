//! What every voice shares: clauses in, levelled and trimmed 24 kHz frames out, on a lane.

mod engine;
mod finish;
mod parts;
mod speaker;
mod timing;

pub(crate) use self::{
    engine::{Utterance, VoiceEngine},
    timing::sound_weights,
};

use trunkline_inference::{ModelError, Voice};

/// The rate that all voices leave at.
pub(crate) const SPOKEN_HZ: u32 = 24_000;
/// Replies spoken at once on one lane; more wait for a slot.
pub(crate) const SLOTS: usize = 256;

/// A part of a clause as a model says it.
pub(crate) struct Sound {
    /// Mono samples, -1..=1.
    pub(crate) samples: Vec<f32>,
    /// How long each group of sounds (about a word) takes, in any unit.
    pub(crate) weights: Vec<f32>,
}

/// A model that speaks: the only thing in which voices differ.
pub(crate) trait Synthesizer {
    /// Samples a second of what it says.
    fn rate_hz(&self) -> u32;
    /// Says one part of a clause: a sentence at most, without line breaks.
    fn synthesize(&mut self, text: &str, voice: &Voice) -> Result<Sound, ModelError>;
}

/// Says that there is no such voice and which there are.
pub(crate) fn unknown_voice(name: &str, voices: &[String]) -> ModelError {
    let known: Vec<_> = voices.iter().take(8).map(String::as_str).collect();
    let more = if voices.len() > known.len() { ", ..." } else { "" };
    ModelError::BadRequest(format!(
        "there is no voice {name:?}: choose one of {}{more}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_voice_is_told_a_few_of_the_known() {
        let voices: Vec<_> = (0..20).map(|n| format!("v{n}")).collect();
        let text = unknown_voice("nobody", &voices).to_string();
        assert!(
            text.contains("\"nobody\"") && text.contains("v0, v1") && text.ends_with("v7, ...")
        );
    }
}
