//! With a real voice: what a reply sounds like.

use futures::{StreamExt, executor::block_on, stream};
use trunkline_inference::{Clause, Party, SpeechPiece};

use super::*;
use crate::testbed;

fn config() -> PiperConfig {
    let folder = testbed::model("piper-en_US-joe-medium");
    PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"))
}

#[test]
#[ignore = "needs models"]
fn real_speech_is_levelled_and_as_long_as_it_says() {
    let piper = Piper::load(&testbed::runtime(), &config()).unwrap();
    assert_eq!(piper.voices(), ["en_US-joe-medium"]);
    testbed::check_voice(&piper, "en_US-joe-medium");
}

#[test]
#[ignore = "needs models"]
fn real_speech_is_shorter_when_spoken_faster() {
    let runtime = testbed::runtime();
    let file = VoiceFile::read(&config().config).unwrap();
    let mut model = Model::open(&runtime, &config(), file).unwrap();
    let mut length = |speed| {
        let voice = Voice { name: String::new(), speed };
        let mut part = model.begin("We are open from Monday to Friday.", &voice).unwrap().part;
        let mut samples = 0;
        while let Some(sound) = model.next(&mut part).unwrap() {
            samples += sound.len();
        }
        samples
    };
    // The voice chooses its pace a little by chance.
    let (slow, fast) = (length(0.5), length(2.0));
    assert!(slow > fast * 2, "{slow} {fast}");
}

#[test]
#[ignore = "needs models"]
fn real_voice_without_espeak_says_what_to_install() {
    let config = PiperConfig { espeak: "/nowhere/espeak-ng".into(), ..config() };
    let error = Piper::load(&testbed::runtime(), &config).err().unwrap();
    assert!(error.to_string().contains("install the package espeak-ng"), "{error}");
}

const CLAUSES: [&str; 8] = [
    "Good morning,",
    "this is Harbor Dental. How may I help you today?",
    "We are open from Monday to Friday, from nine in the morning to five in the afternoon.",
    "Sure,",
    "your appointment is confirmed for Tuesday the fourteenth at half past three.",
    "Is there anything else?",
    "You can park behind the building, next to the pharmacy.",
    "Thank you very much for your call. Goodbye!",
];

/// The samples of each clause of one reply.
fn said(piper: &Piper) -> Vec<Vec<i16>> {
    let clauses = CLAUSES.map(|text| Ok(Clause { text: text.into(), speakable: text.into() }));
    let speech = piper.speak(Box::pin(stream::iter(clauses)), &Voice::default(), Party::default());
    let mut said = vec![Vec::new()];
    for piece in block_on(speech.collect::<Vec<_>>()) {
        match piece.unwrap() {
            SpeechPiece::Audio(frame) => said.last_mut().unwrap().extend(frame.samples()),
            SpeechPiece::ClauseEnd { .. } => said.push(Vec::new()),
        }
    }
    said.pop();
    said
}

/// Of what is within 30 dB of the loudest 5 ms, dBFS.
fn loudness(samples: &[i16]) -> f64 {
    let power = |step: &[i16]| {
        step.iter().map(|&s| (f64::from(s) / 32768.0).powi(2)).sum::<f64>() / step.len() as f64
    };
    let steps: Vec<f64> = samples.chunks(120).map(power).collect();
    let loudest = steps.iter().copied().fold(0.0, f64::max);
    let spoken: Vec<f64> = steps.into_iter().filter(|&step| step > loudest * 1e-3).collect();
    10.0 * (spoken.iter().sum::<f64>() / spoken.len() as f64).log10()
}

#[test]
#[ignore = "needs models"]
fn real_clauses_follow_each_other_without_clicks() {
    let piper = Piper::load(&testbed::runtime(), &config()).unwrap();
    let said = said(&piper);
    assert_eq!(said.len(), CLAUSES.len());
    let all = said.concat();
    let step = |n: usize| (i32::from(all[n]) - i32::from(all[n - 1])).abs();
    let mut seam = 0;
    for clause in &said[..said.len() - 1] {
        seam += clause.len();
        assert!(step(seam) < 50, "{}", step(seam));
    }
    let largest = (1..all.len()).map(step).max().unwrap();
    assert!(largest > 1000, "it sounds");
}

#[test]
#[ignore = "needs models"]
fn real_clauses_are_equally_loud() {
    let piper = Piper::load(&testbed::runtime(), &config()).unwrap();
    for _ in 0..3 {
        let levels: Vec<f64> = said(&piper).iter().map(|clause| loudness(clause)).collect();
        println!("{levels:.1?}");
        let mut sorted = levels.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted[levels.len() / 2];
        assert!(levels.iter().all(|level| (level - middle).abs() < 1.5), "{levels:.1?} dBFS");
    }
}
