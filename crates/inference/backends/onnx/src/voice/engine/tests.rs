//! What a reply is made of, whoever says it.

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
    lane.open(Utterance { clauses, voice: Voice::default(), party: Party::default() })
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
        Box::pin(stream::iter([Ok(clause("hm")), Err(ModelError::Stopped { engine: "llama" })]));
    let pieces =
        heard(lane().open(Utterance { clauses, voice: Voice::default(), party: Party::default() }));
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
    let clause = Clause { text: "It costs $5.".into(), speakable: "It costs five dollars.".into() };
    let clauses: ClauseStream = Box::pin(stream::iter([Ok(clause)]));
    let pieces =
        heard(lane().open(Utterance { clauses, voice: Voice::default(), party: Party::default() }));
    let Some(Ok(SpeechPiece::ClauseEnd { words, .. })) = pieces.last() else { panic!("no end") };
    let words: Vec<_> = words.iter().map(|w| w.word.as_str()).collect();
    assert_eq!(words, ["It", "costs", "$5."]);
}
