//! What every voice shares: clauses in, levelled and trimmed 24 kHz frames out, on a lane.

mod engine;
mod finish;
mod part;
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

/// A part of a clause that a model has begun to say.
pub(crate) struct Begun<P> {
    /// What the model remembers of it.
    pub(crate) part: P,
    /// How long each group of sounds (about a word) takes, in any unit.
    pub(crate) weights: Vec<f32>,
}

/// A model that speaks: the only thing in which voices differ.
pub(crate) trait Synthesizer {
    /// What it remembers of a part that it is saying.
    type Part;

    /// Samples a second of what it says.
    fn rate_hz(&self) -> u32;
    /// Begins to say a part of a clause: a sentence at most, without line breaks.
    fn begin(&mut self, text: &str, voice: &Voice) -> Result<Begun<Self::Part>, ModelError>;
    /// The next stretch of the part's sound, -1..=1; none when it has been said.
    fn next(&mut self, part: &mut Self::Part) -> Result<Option<Vec<f32>>, ModelError>;
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
