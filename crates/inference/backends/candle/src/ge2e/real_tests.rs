//! The real encoder against the same weights run by numpy on librosa's spectrograms, and what it can tell.

use futures::executor::block_on;

use super::*;
use crate::testbed::{self, Clip};

fn ge2e() -> Ge2e {
    Ge2e::load(&Ge2eConfig::new(testbed::model("ge2e-speaker/pretrained.pt"))).unwrap()
}

fn voice(encoder: &Ge2e, samples: &[i16]) -> Vec<f32> {
    block_on(encoder.embed(samples.into())).unwrap()
}

fn likeness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Places and values of a vector's largest numbers.
type Largest = [(usize, f32); 3];

/// Clips, the places and values of their vectors' largest numbers, and the product with the cosines of
/// 0, 1, 2 ... 255.
const REFERENCE: [(&str, Largest, f32); 4] = [
    ("jfk__jfk", [(162, 0.21540), (246, 0.16018), (109, 0.15583)], 0.56777),
    ("libri3331__3331-159605-0004", [(119, 0.29250), (243, 0.26375), (151, 0.21363)], 0.85813),
    ("cards__001", [(243, 0.36160), (226, 0.21376), (119, 0.19820)], -0.02619),
    ("fsdd_george_digits", [(191, 0.24046), (58, 0.23588), (243, 0.22850)], -0.17752),
];

#[test]
#[ignore = "needs models"]
fn real_vectors_are_those_of_the_reference() {
    let encoder = ge2e();
    let cosines: Vec<f32> = (0..256_u16).map(|n| f32::from(n).cos()).collect();
    let clips = testbed::clips();
    for (name, largest, projected) in REFERENCE {
        let Some(clip) = clips.iter().find(|clip| clip.name.contains(name)) else { return };
        let vector = voice(&encoder, &clip.samples);
        for (place, number) in largest {
            assert!((vector[place] - number).abs() < 1e-3, "{name}: {} {number}", vector[place]);
        }
        let product = likeness(&vector, &cosines);
        assert!((product - projected).abs() < 2e-3, "{name}: {product} {projected}");
    }
}

/// The rate at which as many pairs of one person are told apart as pairs of two are taken for one, and
/// the likeness at which that is so.
fn equal_error(same: &[f32], different: &[f32]) -> (f32, f32) {
    let share = |all: &[f32], is: &dyn Fn(f32) -> bool| {
        all.iter().filter(|&&alike| is(alike)).count() as f32 / all.len() as f32
    };
    let rates = (300_u16..1000).map(|step| {
        let at = f32::from(step) / 1000.0;
        (share(same, &|alike| alike < at), share(different, &|alike| alike >= at), at)
    });
    let (missed, taken, at) =
        rates.min_by(|a, b| (a.0 - a.1).abs().total_cmp(&(b.0 - b.1).abs())).unwrap();
    (f32::midpoint(missed, taken), at)
}

#[test]
#[ignore = "needs models"]
fn real_voices_of_one_person_are_told_from_those_of_two() {
    let encoder = ge2e();
    let all = testbed::clips();
    let short = |clip: &&Clip| !clip.kind.contains("long") && clip.samples.len() < 320_000;
    let clips: Vec<&Clip> = all.iter().filter(short).collect();
    if clips.is_empty() {
        return;
    }
    let started = testbed::process_time();
    let voices: Vec<_> = clips.iter().map(|clip| voice(&encoder, &clip.samples)).collect();
    let cost = testbed::process_time().saturating_sub(started).as_secs_f32();
    let seconds = clips.iter().map(|clip| clip.samples.len()).sum::<usize>() as f32 / 16_000.0;
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (n, clip) in clips.iter().enumerate() {
        for (other, voice) in clips.iter().zip(&voices).take(n) {
            let pairs = if clip.speaker == other.speaker { &mut same } else { &mut different };
            pairs.push(likeness(voice, &voices[n]));
        }
    }
    let (rate, at) = equal_error(&same, &different);
    println!(
        "{} clips: equal error {rate:.3} at {at:.3}; {} pairs of one, {} of two; {:.4} s of processor a second",
        clips.len(),
        same.len(),
        different.len(),
        cost / seconds
    );
    assert!(rate < 0.12, "{rate}");
}
