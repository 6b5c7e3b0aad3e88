//! The lane engine of a voice: speaks the part of the reply whose listener runs dry first.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trunkline_audio::{MediaTime, Resampler};
use trunkline_inference::{ClauseStream, Engine, Progress, SlotId, Slots, SpeechPiece, Voice};

use super::{
    SLOTS, SPOKEN_HZ, Sound, Synthesizer,
    finish::finish,
    parts::pause_after,
    speaker::{Speaker, Spoken},
    timing::word_ends,
};

/// What to say and how.
pub(crate) struct Utterance {
    /// The clauses as they come.
    pub(crate) clauses: ClauseStream,
    /// The voice.
    pub(crate) voice: Voice,
}

/// Many replies, one voice model.
pub(crate) struct VoiceEngine<S> {
    model: S,
    speakers: Vec<Option<Speaker>>,
    resampler: Resampler,
}

impl<S: Synthesizer> VoiceEngine<S> {
    /// Makes an engine that speaks with `model`.
    pub(crate) fn new(model: S) -> Self {
        let resampler = Resampler::new(model.rate_hz(), SPOKEN_HZ);
        Self { model, speakers: (0..SLOTS).map(|_| None).collect(), resampler }
    }

    /// The speaker who has something to say and whose listener runs dry first.
    fn most_urgent(&self, active: &[SlotId]) -> Option<SlotId> {
        let deadline = |&slot: &SlotId| Some((self.speakers[slot].as_ref()?.deadline()?, slot));
        active.iter().filter_map(deadline).min().map(|(_, slot)| slot)
    }

    fn speak(&mut self, slot: SlotId, now: Instant) {
        let Some(speaker) = &mut self.speakers[slot] else { return };
        let Some(part) = speaker.next_part() else { return };
        match self.model.synthesize(&part, speaker.voice()) {
            Ok(sound) => {
                let spoken = self.sounded(&part, sound);
                if let Some(speaker) = &mut self.speakers[slot] {
                    speaker.said(spoken, now);
                }
            }
            Err(error) => speaker.failed(error),
        }
    }

    /// Makes what the model said fit to be heard, and tells when its words end.
    fn sounded(&mut self, part: &str, sound: Sound) -> Spoken {
        let rate_hz = self.model.rate_hz();
        let mut samples = sound.samples;
        finish(&mut samples, rate_hz);
        let sounding = Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz));
        let words: Vec<&str> = part.split(' ').collect();
        let ends = word_ends(&words, &sound.weights);
        let words = words.iter().zip(ends);
        let words = words.map(|(word, end)| ((*word).to_owned(), sounding.mul_f32(end))).collect();
        let mut samples = self.resample(&samples);
        let pause = MediaTime::from_ms(pause_after(part).as_millis() as u64);
        samples.resize(samples.len() + pause.to_samples(SPOKEN_HZ) as usize, 0);
        Spoken { samples, words }
    }

    /// Converts a whole part to the rate that voices leave at, the filter's delay taken out.
    fn resample(&mut self, samples: &[f32]) -> Vec<i16> {
        let whole: Vec<i16> = samples.iter().map(|s| (s * 32767.0) as i16).collect();
        let mut out = Vec::new();
        self.resampler.process(&whole, &mut out);
        self.resampler.finish(&mut out);
        out.drain(..self.resampler.delay_samples().min(out.len()));
        out
    }
}

impl<S: Synthesizer> Engine for VoiceEngine<S> {
    type Job = Utterance;
    type Piece = SpeechPiece;

    fn slots(&self) -> usize {
        self.speakers.len()
    }

    fn admit(&mut self, slot: SlotId, job: Utterance) {
        self.speakers[slot] = Some(Speaker::new(job.clauses, job.voice));
    }

    fn step(&mut self, slots: &mut Slots<SpeechPiece>, waker: &mut Context<'_>) -> Progress {
        let active: Vec<SlotId> = slots.active().collect();
        let now = Instant::now();
        for &slot in &active {
            let Some(speaker) = &mut self.speakers[slot] else { continue };
            speaker.listen(now, waker);
            hand_over(slot, speaker, slots);
        }
        let Some(slot) = self.most_urgent(&active) else { return Progress::Idle };
        self.speak(slot, now);
        if let Some(speaker) = &mut self.speakers[slot] {
            hand_over(slot, speaker, slots);
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.speakers[slot] = None;
    }
}

/// Gives the slot's reader what it has room for.
fn hand_over(slot: SlotId, speaker: &mut Speaker, slots: &mut Slots<SpeechPiece>) {
    while slots.has_room(slot, 1) {
        match speaker.take() {
            Poll::Ready(Some(Ok(piece))) => slots.emit(slot, piece),
            Poll::Ready(Some(Err(error))) => return slots.fail(slot, error),
            Poll::Ready(None) => return slots.finish(slot),
            Poll::Pending => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, executor::block_on, stream};
    use trunkline_inference::{Clause, Lane, ModelError, SpeechStream};

    use super::*;

    /// Hums 100 ms a letter at 16 kHz, and fails at the word "bad".
    struct Hum;

    impl Synthesizer for Hum {
        fn rate_hz(&self) -> u32 {
            16_000
        }
        fn synthesize(&mut self, text: &str, _: &Voice) -> Result<Sound, ModelError> {
            if text.contains("bad") {
                return Err(ModelError::Engine { engine: "hum", reason: "bad".into() });
            }
            let letters = text.chars().filter(|c| c.is_alphabetic()).count();
            let samples = (0..letters * 1600).map(|n| (n as f32 * 0.1).sin() * 0.5).collect();
            Ok(Sound { samples, weights: Vec::new() })
        }
    }

    fn lane() -> Lane<VoiceEngine<Hum>> {
        Lane::start("hum", || Ok(VoiceEngine::new(Hum))).unwrap()
    }

    fn clause(text: &str) -> Result<Clause, ModelError> {
        Ok(Clause { text: text.to_owned(), speakable: text.to_owned() })
    }

    fn speak(lane: &Lane<VoiceEngine<Hum>>, texts: &[&str]) -> SpeechStream {
        let clauses: Vec<_> = texts.iter().map(|text| clause(text)).collect();
        let clauses: ClauseStream = Box::pin(stream::iter(clauses));
        lane.open(Utterance { clauses, voice: Voice::default() })
    }

    fn heard(speech: SpeechStream) -> Vec<Result<SpeechPiece, ModelError>> {
        block_on(speech.collect())
    }

    #[test]
    fn every_clause_ends_after_its_own_audio_and_as_long_as_it() {
        let (mut at, mut sounding, mut ended) = (MediaTime::ZERO, MediaTime::ZERO, Vec::new());
        for piece in heard(speak(&lane(), &["Good morning,", "we are open. Come in!"])) {
            match piece.unwrap() {
                SpeechPiece::Audio(frame) => {
                    assert_eq!((frame.rate_hz(), frame.at()), (24_000, at));
                    assert_eq!(frame.duration(), Duration::from_millis(20));
                    (at, sounding) = (frame.end(), sounding + MediaTime::from_ms(20));
                }
                SpeechPiece::ClauseEnd { clause, duration, words } => {
                    assert_eq!(duration, sounding.to_duration());
                    assert!(words.is_sorted_by_key(|w| w.end));
                    assert!(words.iter().all(|w| w.end <= duration));
                    ended.push((clause.text, words.len()));
                    sounding = MediaTime::ZERO;
                }
            }
        }
        assert_eq!(ended, [("Good morning,".into(), 2), ("we are open. Come in!".into(), 5)]);
        assert!((2800..3400).contains(&at.to_ms()), "{}", at.to_ms());
    }

    #[test]
    fn a_clause_without_sound_still_ends() {
        let pieces = heard(speak(&lane(), &["", "😀"]));
        assert_eq!(pieces.len(), 2);
        for piece in pieces {
            let SpeechPiece::ClauseEnd { duration, .. } = piece.unwrap() else { panic!("audio") };
            assert_eq!(duration, Duration::ZERO);
        }
    }

    #[test]
    fn a_failure_comes_after_what_was_said_and_ends_the_reply() {
        let mut pieces = heard(speak(&lane(), &["good", "bad", "never"]));
        assert!(matches!(pieces.pop(), Some(Err(ModelError::Engine { engine: "hum", .. }))));
        assert!(matches!(pieces.pop(), Some(Ok(SpeechPiece::ClauseEnd { .. }))));
        assert!(pieces.iter().all(|p| matches!(p, Ok(SpeechPiece::Audio(_)))));
    }

    #[test]
    fn the_failure_of_whoever_makes_the_clauses_is_passed_on() {
        let clauses: ClauseStream =
            Box::pin(stream::iter([clause("hm"), Err(ModelError::Stopped { engine: "llama" })]));
        let pieces = heard(lane().open(Utterance { clauses, voice: Voice::default() }));
        assert!(matches!(pieces.last(), Some(Err(ModelError::Stopped { engine: "llama" }))));
    }

    #[test]
    fn a_long_reply_is_spoken_whole_to_a_slow_listener() {
        let text = "some words that follow each other ".repeat(40);
        let mut speech = speak(&lane(), &[&text]);
        let first = block_on(speech.next());
        std::thread::yield_now();
        let rest = heard(speech);
        let Some(Ok(SpeechPiece::ClauseEnd { duration, words, .. })) = rest.last() else {
            panic!("no end")
        };
        assert!(matches!(first, Some(Ok(SpeechPiece::Audio(_)))));
        assert_eq!(rest.len() as u128, duration.as_millis() / 20);
        assert_eq!(words.len(), 240);
    }

    #[test]
    fn replies_interleave_rather_than_wait_for_each_other() {
        let lane = lane();
        let long = "many words and more ".repeat(200);
        let held = speak(&lane, &[&long]);
        let quick = heard(speak(&lane, &["hello"]));
        assert!(matches!(quick.last(), Some(Ok(SpeechPiece::ClauseEnd { .. }))));
        drop(held);
    }

    #[test]
    fn words_are_those_of_the_chat_not_of_the_voice() {
        let clause =
            Clause { text: "It costs $5.".into(), speakable: "It costs five dollars.".into() };
        let clauses: ClauseStream = Box::pin(stream::iter([Ok(clause)]));
        let pieces = heard(lane().open(Utterance { clauses, voice: Voice::default() }));
        let Some(Ok(SpeechPiece::ClauseEnd { words, .. })) = pieces.last() else {
            panic!("no end")
        };
        let words: Vec<_> = words.iter().map(|w| w.word.as_str()).collect();
        assert_eq!(words, ["It", "costs", "$5."]);
    }
}
