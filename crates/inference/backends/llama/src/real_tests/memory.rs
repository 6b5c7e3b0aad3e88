//! What a model takes of the machine's memory against what its file's header says. Each is loaded by a process
//! of its own: what one has given back would blur the next one's figures.

#![expect(clippy::disallowed_methods, reason = "a process tells its child what to load")]

use std::{env, fs, process::Command};

use super::{LARGE, Llama, SMALL, chat, config, run};
use trunkline_inference::budget::Part;

use crate::{Kernels, LlamaConfig, footprint};

/// What the child is told: model, context tokens, slots.
const TOLD: &str = "TRUNKLINE_TEST_LOADS";
const CHILD: &str = "real_tests::memory::real_memory_of_a_child";
/// How far the two may be apart, of a hundred.
const TOLERANCE: u64 = 5;

#[test]
#[ignore = "needs models"]
fn real_models_take_the_memory_that_their_headers_say() {
    for told in [(SMALL, 4096, 1), (SMALL, 2048, 8), (LARGE, 1024, 2), (LARGE, 4096, 4)] {
        let footprint = footprint(&settings(told, Kernels::LlamaCpp)).unwrap();
        let computed = footprint.resident_bytes() + footprint.loading_bytes();
        let measured = peak_of_child(told, Kernels::LlamaCpp);
        println!("{told:?}: {} MiB computed, {} MiB measured", computed >> 20, measured >> 20);
        assert!(computed.abs_diff(measured) * 100 <= measured * TOLERANCE, "{footprint:#?}");
    }
}

/// Keys and values take memory as there are tokens to remember.
#[test]
#[ignore = "needs models"]
fn real_models_of_this_projects_kernels_take_no_more_and_hardly_less_than_their_headers_say() {
    for told in [(SMALL, 512, 1), (SMALL, 2048, 8), (LARGE, 1024, 2)] {
        let footprint = footprint(&settings(told, Kernels::Native)).unwrap();
        let most = footprint.resident_bytes() + footprint.loading_bytes();
        let least = most - footprint.part(Part::Kv) - footprint.loading_bytes();
        let measured = peak_of_child(told, Kernels::Native);
        let [some, all, found] = [least, most, measured].map(|bytes| bytes >> 20);
        println!("{told:?}: {some} to {all} MiB computed, {found} MiB measured");
        assert!(least * (100 - TOLERANCE) <= measured * 100, "{footprint:#?}");
        assert!(measured * 100 <= most * (100 + TOLERANCE), "{footprint:#?}");
    }
}

/// Loads what it is told, answers at every slot, and prints by how much its memory grew at most.
#[test]
#[ignore = "only as a child"]
fn real_memory_of_a_child() {
    let Ok(told) = env::var(TOLD) else { return };
    let told: Vec<_> = told.split(' ').collect();
    let kernels = if told[3] == "Native" { Kernels::Native } else { Kernels::LlamaCpp };
    let config = settings((told[0], told[1].parse().unwrap(), told[2].parse().unwrap()), kernels);
    let before = status("VmRSS:");
    let slots = config.slots;
    let llama = Llama::load(config).unwrap();
    for slot in 0..slots {
        run(&llama, chat(&[&format!("Question {slot}: how much is a check-up?").repeat(20)]));
    }
    println!("\npeak {}", status("VmHWM:") - before);
}

fn settings((model, context_tokens, slots): (&str, u32, u32), kernels: Kernels) -> LlamaConfig {
    LlamaConfig { context_tokens, slots, kernels, gpu_layers: 0, ..config(model) }
}

fn peak_of_child((model, context_tokens, slots): (&str, u32, u32), kernels: Kernels) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", CHILD, "--ignored", "--nocapture"]);
    let output =
        child.env(TOLD, format!("{model} {context_tokens} {slots} {kernels:?}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    peak.unwrap_or_else(|| panic!("{output:?}")).parse().unwrap()
}

/// A line of this process's status, bytes.
fn status(line: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    found.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
