//! What every voice shares: clauses in, levelled and trimmed 24 kHz frames out, on a lane.

mod engine;
mod finish;
mod part;
mod parts;
mod speaker;
mod timing;
mod together;

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
    /// Makes the first stretch of a part longer than usual, where it can: whoever hears it has more time until
    /// the next, which others may be more urgent than.
    fn lengthen(&mut self, _part: &mut Self::Part) {}
    /// How much work that stretch is, in any unit.
    fn work(&self, _part: &Self::Part) -> f64 {
        1.0
    }

    /// How many parts of different replies it can begin, or say a stretch of, at one go. A model that
    /// says 1, as by default, needs none of the following.
    fn most_together(&self) -> usize {
        1
    }
    /// Begins to say several parts at one go, all at the same speed.
    fn begin_together(
        &mut self,
        lines: &[(&str, &Voice)],
    ) -> Vec<Result<Begun<Self::Part>, ModelError>> {
        lines.iter().map(|(text, voice)| self.begin(text, voice)).collect()
    }
    /// Whether a stretch of `part` can be made at one go with the next one of `leader`.
    fn goes_with(&self, _part: &Self::Part, _leader: &Self::Part) -> bool {
        false
    }
    /// A stretch of each part at one go; each of them goes with the first.
    fn next_together(
        &mut self,
        parts: &mut [&mut Self::Part],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        parts.iter_mut().map(|part| Ok(self.next(part)?.unwrap_or_default())).collect()
    }
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
