//! What a model takes of the machine's memory against what is computed. Each is loaded by a process of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a process tells its child what to load")]

use std::{env, fs, path::PathBuf, process::Command};

use futures::{StreamExt, executor::block_on, future::join_all, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{SpeechToText, SttInput, SttOptions, budget::Bytes};
use trunkline_whisper::{Whisper, WhisperConfig, footprint};

/// What the child is told: model and slots.
const TOLD: &str = "TRUNKLINE_TEST_LOADS";
const CHILD: &str = "real_memory_of_a_child";

#[test]
#[ignore = "needs models"]
fn real_models_take_no_more_than_is_computed_and_one_window_most_of_it() {
    let tiny = "whisper-tiny.en";
    for (model, slots) in [(tiny, 1), (tiny, 8), ("whisper-base", 1), ("whisper-base", 8)] {
        let footprint = footprint(&config(model, slots)).unwrap();
        let [loaded, worked] = measured(model, slots);
        let loading = footprint.resident_bytes() + footprint.loading_bytes();
        println!(
            "{model}, {slots} slots: to load {}, measured {}; at work {}, measured {}",
            Bytes(loading),
            Bytes(loaded),
            Bytes(footprint.resident_bytes()),
            Bytes(worked)
        );
        for (computed, measured) in [(loading, loaded), (footprint.resident_bytes(), worked)] {
            assert!(measured <= computed * 105 / 100, "{footprint:#?}");
            // The sound is no speech: texts are short, and most have ended when others begin.
            assert!(slots > 1 || measured >= computed * 60 / 100, "{footprint:#?}");
        }
    }
}

/// Loads what it is told, hears 30 s at every slot, and prints how much its memory grew, at most while
/// loading and at most while at work.
#[test]
#[ignore = "only as a child"]
fn real_memory_of_a_child() {
    let Ok(told) = env::var(TOLD) else { return };
    let (model, slots) = told.split_once(' ').unwrap();
    let slots = slots.parse().unwrap();
    let before = status("VmRSS:");
    let whisper = Whisper::load(config(model, slots)).unwrap();
    let loaded = status("VmHWM:") - before;
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let options = SttOptions { language: Some("en".into()), ..SttOptions::default() };
    let heard =
        (0..slots).map(|slot| whisper.transcribe(sound(slot), &options).collect::<Vec<_>>());
    block_on(join_all(heard));
    println!("\nmemory {loaded} {}", status("VmHWM:") - before);
}

fn config(model: &str, slots: usize) -> WhisperConfig {
    let folder = PathBuf::from(env::var("TRUNKLINE_MODELS").unwrap());
    WhisperConfig { slots, threads: 1, ..WhisperConfig::new(folder.join(model).join("ggml.bin")) }
}

/// 29 s of tones that come and go.
fn sound(slot: usize) -> trunkline_inference::HearingStream {
    let sample = |n: usize| {
        let wave = i16::try_from(n * (180 + 20 * slot) / 160 % 100).unwrap() - 50;
        wave * if (n / 4000).is_multiple_of(2) { 100 } else { 5 }
    };
    let samples: Vec<i16> = (0..29 * 16_000).map(sample).collect();
    let frames: Vec<_> = samples
        .chunks(320)
        .map(|part| SttInput::Frame(Frame::new(part, 16_000, MediaTime::ZERO)))
        .collect();
    Box::pin(stream::iter(frames))
}

fn measured(model: &str, slots: usize) -> [u64; 2] {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", CHILD, "--ignored", "--nocapture"]);
    let output = child.env(TOLD, format!("{model} {slots}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("memory "));
    let line = line.unwrap_or_else(|| panic!("{output:?}"));
    let (loaded, worked) = line.split_once(' ').unwrap();
    [loaded, worked].map(|bytes| bytes.parse().unwrap())
}

/// A line of this process's status, bytes.
fn status(line: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    found.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
