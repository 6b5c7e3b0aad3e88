//! The lane engine of a voice: always says the stretch whose listener runs dry first.

use std::{
    collections::HashMap,
    task::{Context, Poll},
    time::Instant,
};

use trunkline_audio::Resampler;
use trunkline_inference::{
    ClauseStream, Engine, ModelError, Progress, SlotId, Slots, SpeechPiece, Voice,
};

use super::{
    SLOTS, SPOKEN_HZ, Synthesizer,
    part::{Outlet, PartVoice},
    speaker::Speaker,
};

/// What to say and how.
pub(crate) struct Utterance {
    /// The clauses as they come.
    pub(crate) clauses: ClauseStream,
    /// The voice.
    pub(crate) voice: Voice,
}

/// Said once at start, so that the first caller meets a warm model whose loudness is known.
const WARM_UP: &str = "Good morning, how may I help you?";
/// How far one part moves the loudness that is expected of its voice.
const LEARNING: f32 = 0.2;

/// Many replies, one voice model.
pub(crate) struct VoiceEngine<S: Synthesizer> {
    model: S,
    seats: Vec<Option<Seat<S::Part>>>,
    /// One to copy: its filter takes longer to make than a frame to say.
    resampler: Resampler,
    /// How loud each voice is, by its name; one entry a voice.
    loudness: HashMap<String, f32>,
}

/// A reply and the part of it that is being said.
struct Seat<P> {
    speaker: Speaker,
    part: Option<PartVoice<P>>,
}

impl<S: Synthesizer> VoiceEngine<S> {
    /// Makes an engine that speaks with `model`.
    pub(crate) fn new(model: S) -> Self {
        let resampler = Resampler::new(model.rate_hz(), SPOKEN_HZ);
        let seats = (0..SLOTS).map(|_| None).collect();
        Self { model, seats, resampler, loudness: HashMap::new() }
    }

    /// Says a sentence to nobody.
    pub(crate) fn warm_up(&mut self) -> Result<(), ModelError> {
        let voice = Voice::default();
        for _ in 0..2 {
            let outlet = Outlet { resampler: self.resampler.clone(), loudness: None };
            let mut part = PartVoice::begin(&mut self.model, WARM_UP.to_owned(), &voice, outlet)?;
            while !part.advance(&mut self.model)? {}
            let (_, loudness) = part.end();
            self.learn(&voice.name, loudness);
        }
        Ok(())
    }

    fn learn(&mut self, voice: &str, loudness: Option<f32>) {
        let Some(loudness) = loudness else { return };
        let known = self.loudness.entry(voice.to_owned()).or_insert(loudness);
        *known += (loudness - *known) * LEARNING;
    }

    /// The speaker who has something to say and whose listener runs dry first.
    fn most_urgent(&self, active: &[SlotId]) -> Option<SlotId> {
        let deadline =
            |&slot: &SlotId| Some((self.seats[slot].as_ref()?.speaker.deadline()?, slot));
        active.iter().filter_map(deadline).min().map(|(_, slot)| slot)
    }

    /// Says the next stretch of a slot's reply.
    fn speak(&mut self, slot: SlotId, now: Instant) {
        let Some(seat) = &mut self.seats[slot] else { return };
        let spoken = match seat.part.take() {
            None => self.begin(slot),
            Some(part) => self.advance(slot, part, now),
        };
        if let (Err(error), Some(seat)) = (spoken, &mut self.seats[slot]) {
            seat.speaker.failed(error);
        }
    }

    fn begin(&mut self, slot: SlotId) -> Result<(), ModelError> {
        let Some(seat) = &mut self.seats[slot] else { return Ok(()) };
        let Some(text) = seat.speaker.next_part() else { return Ok(()) };
        let voice = seat.speaker.voice();
        let loudness = self.loudness.get(&voice.name).copied();
        let outlet = Outlet { resampler: self.resampler.clone(), loudness };
        seat.part = Some(PartVoice::begin(&mut self.model, text, voice, outlet)?);
        Ok(())
    }

    fn advance(
        &mut self,
        slot: SlotId,
        mut part: PartVoice<S::Part>,
        now: Instant,
    ) -> Result<(), ModelError> {
        let said = part.advance(&mut self.model)?;
        let Some(seat) = &mut self.seats[slot] else { return Ok(()) };
        if !said {
            seat.speaker.heard(&part.take_samples(), now);
            seat.part = Some(part);
            return Ok(());
        }
        let (spoken, loudness) = part.end();
        seat.speaker.heard(&spoken.samples, now);
        seat.speaker.end_part(spoken.words);
        let name = seat.speaker.voice().name.clone();
        self.learn(&name, loudness);
        Ok(())
    }
}

impl<S: Synthesizer> Engine for VoiceEngine<S> {
    type Job = Utterance;
    type Piece = SpeechPiece;

    fn slots(&self) -> usize {
        self.seats.len()
    }

    fn admit(&mut self, slot: SlotId, job: Utterance) {
        let speaker = Speaker::new(job.clauses, job.voice);
        self.seats[slot] = Some(Seat { speaker, part: None });
    }

    fn step(&mut self, slots: &mut Slots<SpeechPiece>, waker: &mut Context<'_>) -> Progress {
        let active: Vec<SlotId> = slots.active().collect();
        let now = Instant::now();
        for &slot in &active {
            let Some(seat) = &mut self.seats[slot] else { continue };
            seat.speaker.listen(now, waker);
            hand_over(slot, &mut seat.speaker, slots);
        }
        let Some(slot) = self.most_urgent(&active) else { return Progress::Idle };
        slots.stepped(1);
        self.speak(slot, now);
        if let Some(seat) = &mut self.seats[slot] {
            hand_over(slot, &mut seat.speaker, slots);
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.seats[slot] = None;
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
    use std::time::Duration;

    use futures::{StreamExt, executor::block_on, stream};
    use trunkline_audio::MediaTime;
    use trunkline_inference::{Clause, Lane, Priority, SpeechStream};

    use super::*;
    use crate::voice::Begun;

    /// Hums 100 ms a letter at 16 kHz, and fails at the word "bad".
    struct Hum;

    impl Synthesizer for Hum {
        type Part = usize;

        fn rate_hz(&self) -> u32 {
            16_000
        }
        fn begin(&mut self, text: &str, _: &Voice) -> Result<Begun<usize>, ModelError> {
            if text.contains("bad") {
                return Err(ModelError::Engine { engine: "hum", reason: "bad".into() });
            }
            let letters = text.chars().filter(|c| c.is_alphabetic()).count();
            Ok(Begun { part: letters, weights: Vec::new() })
        }
        fn next(&mut self, letters: &mut usize) -> Result<Option<Vec<f32>>, ModelError> {
            let Some(left) = letters.checked_sub(1) else { return Ok(None) };
            *letters = left;
            Ok(Some((0..1600).map(|n| (n as f32 * 0.1).sin() * 0.5).collect()))
        }
    }

    fn lane() -> Lane<VoiceEngine<Hum>> {
        Lane::start("hum", Priority::WithAudio, || {
            let mut engine = VoiceEngine::new(Hum);
            engine.warm_up()?;
            Ok(engine)
        })
        .unwrap()
    }

    fn clause(text: &str) -> Clause {
        Clause { text: text.to_owned(), speakable: text.to_owned() }
    }

    fn speak(lane: &Lane<VoiceEngine<Hum>>, texts: &[&str]) -> SpeechStream {
        let clauses: Vec<_> = texts.iter().map(|text| Ok(clause(text))).collect();
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
        let clauses: ClauseStream = Box::pin(stream::iter([
            Ok(clause("hm")),
            Err(ModelError::Stopped { engine: "llama" }),
        ]));
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
