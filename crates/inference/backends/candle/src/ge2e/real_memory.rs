//! What the encoder takes of the machine's memory against what is computed, in a process of its own.

#![expect(clippy::disallowed_methods, reason = "a process tells its child what to do")]

use std::{env, fs, process::Command};

use futures::executor::block_on;
use trunkline_inference::{SpeakerEncoder, budget::Bytes};

use super::{Ge2e, Ge2eConfig, footprint};
use crate::testbed;

const TOLD: &str = "TRUNKLINE_TEST_LOADS";
const CHILD: &str = "ge2e::real_memory::real_memory_of_a_child";

#[test]
#[ignore = "needs models"]
fn real_encoder_takes_no_more_than_is_computed_and_most_of_it() {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", CHILD, "--ignored", "--nocapture"]).env(TOLD, "ge2e");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    let measured = peak.unwrap_or_else(|| panic!("{output:?}")).parse().unwrap();
    let footprint = footprint(&config()).unwrap();
    let computed = footprint.resident_bytes() + footprint.loading_bytes();
    println!("{} computed, {} measured", Bytes(computed), Bytes(measured));
    assert!(measured <= computed && measured * 2 >= computed);
}

#[test]
#[ignore = "only as a child"]
fn real_memory_of_a_child() {
    if env::var(TOLD).is_err() {
        return;
    }
    let before = status("VmRSS:");
    let encoder = Ge2e::load(&config()).unwrap();
    let sound = (0..30 * 16_000).map(|n: i32| ((n * 37 % 2000) - 1000) as i16).collect();
    block_on(encoder.embed(sound)).unwrap();
    println!("\npeak {}", status("VmHWM:") - before);
}

fn config() -> Ge2eConfig {
    Ge2eConfig::new(testbed::model("ge2e-speaker/pretrained.pt"))
}

/// A line of this process's status, bytes.
fn status(line: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    found.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
