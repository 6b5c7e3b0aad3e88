//! With a real voice: stretches, batches and the whole graph sound the same.

use super::*;
use crate::testbed;

const SILENT_NOISE: [f32; 3] = [0.0, 1.0, 0.0];

fn network() -> Network {
    let folder = testbed::model("piper-en_US-joe-medium");
    let config = PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"));
    Network::open(&testbed::runtime(), &config).unwrap()
}

/// One whose decoder is the runtime's, which has a batch axis.
fn without_own_decoder() -> Network {
    let mut network = network();
    #[cfg(target_arch = "x86_64")]
    if let Network::Cut(pieces) = &mut network {
        pieces.swift = None;
    }
    network
}

/// Symbols of about `len` sounds, other ones by `seed`.
fn text(len: i64, seed: i64) -> Vec<i64> {
    let sounds = (0..len).flat_map(|n| [14 + (n * 7 + seed * 11) % 90, 0]);
    [1, 0].into_iter().chain(sounds).chain([2]).collect()
}

fn frames(latent: &Latent) -> &Frames {
    let Latent::Frames(frames) = latent else { panic!("not cut") };
    frames
}

fn alone(network: &mut Network, latent: &mut Latent) -> Vec<f32> {
    let mut pieces = Vec::new();
    while let Some(sound) = network.back(latent).unwrap() {
        pieces.extend(sound);
    }
    pieces
}

#[test]
#[ignore = "needs models"]
fn real_stretches_sound_as_one_piece() {
    let mut network = network();
    let mut latent = network.front(&[text(60, 0)], [0.667, 1.0, 0.8]).unwrap().pop().unwrap();
    let count = frames(&latent).count;
    let all = Stretch { trunk: 0..count, head: 0..count, says: 0..count };
    let Network::Cut(pieces) = &mut network else { panic!("not cut") };
    let whole = pieces.sound(&[frames(&latent)], &[all]).unwrap().pop().unwrap();
    let pieces = alone(&mut network, &mut latent);
    let furthest = furthest(&pieces, &whole);
    assert!(furthest < 1e-4, "{furthest}");
}

/// How far each sample is from the one before.
fn steps(sound: &[f32]) -> Vec<f32> {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect()
}

#[test]
#[ignore = "needs models"]
fn real_seams_between_stretches_are_as_smooth_as_the_rest() {
    for mut network in [network(), without_own_decoder()] {
        for seed in 0..4 {
            let mut latent = network.front(&[text(70, seed)], [0.667, 1.0, 0.8]).unwrap().remove(0);
            let (mut sound, mut seams) = (Vec::new(), Vec::new());
            while let Some(stretch) = network.back(&mut latent).unwrap() {
                seams.push(sound.len());
                sound.extend(stretch);
            }
            let steps = steps(&sound);
            let at_seam = |n: usize| seams.contains(&(n + 1));
            let largest = |seam: bool| {
                let of = steps.iter().enumerate().filter(|(n, _)| at_seam(*n) == seam);
                of.map(|(_, step)| *step).fold(0.0, f32::max)
            };
            assert!(seams.len() > 3 && largest(true) <= largest(false), "{seams:?}");
            // Nor larger than what surrounds it: a click in a soft sound.
            for seam in seams.iter().skip(1).map(|seam| seam - 1) {
                let around = [&steps[seam - 110..seam], &steps[seam + 1..seam + 111]].concat();
                let largest = around.iter().copied().fold(0.0, f32::max);
                assert!(steps[seam] <= largest.max(1e-3), "{} {largest}", steps[seam]);
            }
        }
    }
}

#[test]
#[ignore = "needs models"]
fn real_pieces_make_what_the_whole_graph_makes() {
    let path = testbed::model("piper-en_US-joe-medium/voice.onnx");
    let bytes = std::fs::read(path).unwrap();
    let mut whole = Network::Whole(testbed::runtime().open_bytes(&bytes, 1).unwrap());
    let mut cut = network();
    let mut latent = cut.front(&[text(40, 3)], SILENT_NOISE).unwrap().pop().unwrap();
    let pieces = alone(&mut cut, &mut latent);
    let mut latent = whole.front(&[text(40, 3)], SILENT_NOISE).unwrap().pop().unwrap();
    let furthest = furthest(&pieces, &whole.back(&mut latent).unwrap().unwrap());
    assert!(furthest < 1e-3, "{furthest}");
}

#[test]
#[ignore = "needs models"]
fn real_parts_said_together_sound_as_if_alone() {
    for network in [network(), without_own_decoder()] {
        check_together(network);
    }
}

fn check_together(mut network: Network) {
    let texts = [text(60, 0), text(24, 1), text(41, 2), text(35, 3)];
    let mut singly: Vec<Vec<f32>> = Vec::new();
    for text in &texts {
        let mut latent =
            network.front(std::slice::from_ref(text), SILENT_NOISE).unwrap().pop().unwrap();
        singly.push(alone(&mut network, &mut latent));
    }
    let mut latents = network.front(&texts, SILENT_NOISE).unwrap();
    let mut heard = vec![Vec::new(); texts.len()];
    // Each takes the lead in turn, and one more of them joins each time round.
    for round in 0_usize.. {
        let order: Vec<usize> = (0..texts.len()).map(|n| (n + round) % texts.len()).collect();
        let Some(&leader) =
            order.iter().find(|&&n| frames(&latents[n]).said < frames(&latents[n]).count)
        else {
            break;
        };
        let joined: Vec<usize> = (0..texts.len())
            .filter(|&n| n != leader && n <= round && latents[n].goes_with(&latents[leader]))
            .collect();
        if joined.is_empty() {
            heard[leader].extend(network.back(&mut latents[leader]).unwrap().unwrap());
            continue;
        }
        let mut others: Vec<(usize, &mut Latent)> = latents.iter_mut().enumerate().collect();
        others.sort_by_key(|(n, _)| *n != leader);
        others.retain(|(n, _)| *n == leader || joined.contains(n));
        let (who, mut parts): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let sounds = network.back_together(&mut parts).unwrap();
        who.into_iter().zip(sounds).for_each(|(n, sound)| heard[n].extend(sound));
    }
    for (together, alone) in heard.iter().zip(&singly) {
        let furthest = furthest(together, alone);
        assert!(furthest < 1e-3, "{furthest}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "needs models"]
fn real_decoder_costs_are_printed() {
    let mut network = network();
    let Network::Cut(pieces) = &mut network else { panic!("not cut") };
    assert!(pieces.swift.is_some() == is_x86_feature_detected!("avx512f"));
    for round in 0..4 {
        let mut latent = network.front(&[text(90, 0)], SILENT_NOISE).unwrap().pop().unwrap();
        let before = testbed::process_time();
        let sound = alone(&mut network, &mut latent);
        let took = testbed::process_time().saturating_sub(before).as_secs_f64();
        println!(
            "round {round}: {:.4} s of processor time a second of sound",
            took / (sound.len() as f64 / 22_050.0)
        );
        if round == 1 {
            let Network::Cut(pieces) = &mut network else { panic!("not cut") };
            pieces.swift = None;
        }
    }
}
