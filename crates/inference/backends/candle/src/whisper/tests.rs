//! candle's layers beside those of `trunkline-native`, which compute in 8 bits, and beside themselves.

use std::{fs, path::PathBuf, sync::Arc};

use tempfile::TempDir;
use trunkline_native::{Edges, Piece, Scribe, Task, Transcribed};
use trunkline_testkit::WhisperShape;

use super::*;

const SHAPE: WhisperShape = WhisperShape { audio_layers: 2, text_layers: 2, ..WhisperShape::SMALL };
const DESKS: usize = 6;

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml.bin");
    fs::write(&path, SHAPE.to_bytes()).unwrap();
    (folder, path)
}

fn network() -> WhisperNetwork {
    let (_folder, path) = file();
    WhisperNetwork::load(&path, DESKS, None).unwrap()
}

/// Features of so many positions, unlike those of another `seed`.
fn features(positions: usize, seed: usize) -> Vec<f32> {
    let count = 2 * positions * SHAPE.mels;
    (0..count).map(|n| ((n * (seed + 3)) as f32 / 7.0).sin() * 0.8).collect()
}

fn windows<'a>(features: &'a [(usize, Vec<f32>)]) -> Vec<Window<'a>> {
    let window = |(desk, (positions, features)): (usize, &'a (usize, Vec<f32>))| Window {
        desk,
        features,
        positions: *positions,
    };
    features.iter().enumerate().map(window).collect()
}

fn logits(network: &mut WhisperNetwork, texts: &[(usize, usize, &[u32])]) -> Vec<Vec<f32>> {
    let texts: Vec<Text<'_>> =
        texts.iter().map(|&(desk, position, tokens)| Text { desk, position, tokens }).collect();
    let mut logits = Vec::new();
    network.read(&texts, &mut logits).unwrap();
    logits.chunks_exact(SHAPE.words).map(<[f32]>::to_vec).collect()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Far below what parts two tokens here: sums of floats in another order.
const TOLERANCE: f32 = 2e-4;

#[test]
fn windows_of_several_lengths_together_are_as_alone() {
    let given: Vec<_> = [40, 12, 60, 25].into_iter().enumerate().collect::<Vec<_>>();
    let given: Vec<_> = given.iter().map(|&(n, length)| (length, features(length, n))).collect();
    let windows = windows(&given);
    let mut together = network();
    assert_eq!(together.encode(&windows).unwrap(), windows.len());
    let texts: Vec<_> = windows.iter().map(|window| (window.desk, 0, &[7_u32, 8][..])).collect();
    let all = logits(&mut together, &texts);
    for (window, row) in windows.iter().zip(&all) {
        let mut alone = network();
        alone.encode(&[*window]).unwrap();
        let own = logits(&mut alone, &[(window.desk, 0, &[7, 8])]);
        assert!(apart(&own[0], row) < TOLERANCE, "{}", apart(&own[0], row));
    }
    assert!(apart(&all[0], &all[1]) > 0.1, "every window is heard alike");
}

#[test]
fn no_more_is_encoded_together_than_keeps_a_device_busy() {
    let window = |positions| Window { desk: 0, features: &[], positions };
    assert_eq!(together(&[window(1_500); 9]), 4);
    assert_eq!(together(&[window(7_000), window(1)]), 1);
    assert_eq!(together(&[window(100), window(1_000), window(1_500), window(1_500)]), 4);
    assert_eq!(together(&[]), 0);
}

#[test]
fn texts_that_are_at_different_places_are_read_together_as_alone() {
    let given: Vec<_> = (0..DESKS).map(|n| (20 + n, features(20 + n, n))).collect();
    let windows = windows(&given);
    let mut together = network();
    together.encode(&windows).unwrap();
    let prompts: [&[u32]; DESKS] = [&[1], &[2, 3], &[4, 5, 6], &[7, 8, 9, 10], &[11], &[12, 13]];
    let begin: Vec<_> = prompts.iter().enumerate().map(|(n, tokens)| (n, 0, *tokens)).collect();
    logits(&mut together, &begin);
    // Desks 1 and 4 pause while the others go on, then all go on.
    let step = |desks: &[usize], network: &mut WhisperNetwork, round: usize, rounds: &[usize]| {
        let token = [20 + round as u32];
        let texts: Vec<_> =
            desks.iter().map(|&n| (n, prompts[n].len() + rounds[n], &token[..])).collect();
        logits(network, &texts)
    };
    let mut rounds = [0; DESKS];
    for (round, desks) in [&[0, 2, 3, 5][..], &[0, 2, 3, 5]].into_iter().enumerate() {
        step(desks, &mut together, round, &rounds);
        for &n in desks {
            rounds[n] += 1;
        }
    }
    let all: Vec<usize> = (0..DESKS).collect();
    let last = step(&all, &mut together, 9, &rounds);
    for (n, row) in last.iter().enumerate() {
        let mut alone = network();
        alone.encode(&windows[n..=n]).unwrap();
        let mut tokens = prompts[n].to_vec();
        tokens.extend((0..rounds[n]).map(|round: usize| 20 + round as u32));
        tokens.push(29);
        let own = logits(&mut alone, &[(n, 0, &tokens)]);
        assert!(apart(&own[0], row) < TOLERANCE, "desk {n}: {}", apart(&own[0], row));
    }
}

#[test]
fn a_text_that_begins_anew_knows_nothing_of_the_old_one() {
    let given = [(30, features(30, 1))];
    let mut network = network();
    network.encode(&windows(&given)).unwrap();
    let first = logits(&mut network, &[(0, 0, &[5])]);
    logits(&mut network, &[(0, 1, &[6])]);
    assert!(apart(&logits(&mut network, &[(0, 0, &[5])])[0], &first[0]) < TOLERANCE);
    network.forget(0);
    network.encode(&windows(&[(30, features(30, 2))])).unwrap();
    assert!(apart(&logits(&mut network, &[(0, 0, &[5])])[0], &first[0]) > 0.1);
}

/// What comes of sounds that begin one step after the other, each at its desk.
fn transcribed(scribe: &mut Scribe, sounds: &[Vec<f32>]) -> Vec<Transcribed> {
    let mut ended: Vec<(usize, Transcribed)> = Vec::new();
    for step in 0.. {
        if let Some(samples) = sounds.get(step) {
            scribe.begin(step, &task(samples)).unwrap();
        }
        let came = scribe.step(&mut |_| Some(0)).into_iter();
        ended.extend(came.map(|(desk, came)| (desk, came.unwrap().unwrap())));
        if step >= sounds.len() && ended.len() == sounds.len() {
            break;
        }
    }
    ended.sort_by_key(|(desk, _)| *desk);
    ended.into_iter().map(|(_, text)| text).collect()
}

/// Its tokens and times.
fn said(text: &Transcribed) -> Vec<usize> {
    let number = |piece: &Piece| match piece {
        Piece::Word(word) => word.token as usize,
        Piece::Time(time) => SHAPE.words + time,
    };
    text.pieces.iter().map(number).collect()
}

fn task(samples: &[f32]) -> Task<'_> {
    Task {
        samples,
        language: Some("en"),
        translates: false,
        prompt: " yes",
        prompt_tokens: 1,
        positions: 40,
        language_positions: 40,
        most_tokens: 12,
        plausible_tokens: 12,
        temperature: 0.0,
        tells_begins: false,
    }
}

#[test]
fn texts_are_written_together_as_alone() {
    let sound = |n: usize| (0..n * 1_900).map(move |at| (at as f32 / (5 + n) as f32).sin() * 0.3);
    let sounds: Vec<Vec<f32>> = (1..=DESKS).map(|n| sound(n).collect()).collect();
    let (_folder, path) = file();
    let edges = Edges::load(&path).unwrap();
    let scribe = |desks| {
        let network = WhisperNetwork::load(&path, desks, None).unwrap();
        Scribe::on(Arc::clone(&edges), Box::new(network), desks)
    };
    let together = transcribed(&mut scribe(DESKS), &sounds);
    assert!(together.iter().any(|text| text.pieces.len() > 4), "{together:?}");
    let mut alone = scribe(1);
    for (text, samples) in together.iter().zip(&sounds) {
        let own = alone.transcribe(&task(samples), &mut || false).unwrap().unwrap();
        assert_eq!(said(text), said(&own));
        assert!((text.no_speech - own.no_speech).abs() < 1e-3);
    }
}

#[test]
fn what_there_is_no_gpu_for_is_told() {
    let (_folder, path) = file();
    let told = WhisperNetwork::load(&path, 1, Some(0));
    if candle_core::utils::cuda_is_available() {
        assert!(told.is_ok());
    } else {
        let told = told.err().unwrap().to_string();
        assert!(told.contains("cuda"), "{told}");
    }
}
