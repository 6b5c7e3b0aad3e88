//! What models take of the machine's memory against what is computed. Each is loaded by a process of its own.

#![expect(clippy::disallowed_methods, reason = "a process tells its child what to load")]

use std::{env, fs, process::Command, sync::Arc, time::Instant};

use futures::{StreamExt, executor::block_on, future::join_all, stream};
use trunkline_inference::{
    Clause, EndOfTurn, Party, TextEmbedder, TextToSpeech, Voice, VoiceActivity,
    budget::{Bytes, Footprint},
};

use crate::{
    Kokoro, KokoroConfig, MiniLm, MiniLmConfig, Piper, PiperConfig, SileroConfig, SileroVad,
    SmartTurn, SmartTurnConfig, footprint,
    testbed::{frames, model, noise, runtime},
};

/// What the child is told: which model.
const TOLD: &str = "TRUNKLINE_TEST_LOADS";
const CHILD: &str = "real_memory::real_memory_of_a_child";
const MODELS: [&str; 6] = ["runtime", "silero", "smart-turn", "piper", "kokoro", "minilm"];
/// A sentence as long as voices ever say at once.
const LONG: &str = "We are open from Monday to Friday from eight in the morning until half past five in \
    the afternoon, and we are closed at weekends and on public holidays, but in an emergency you can \
    always reach us under the number that is on our door and on our website, day and night, and \
    somebody will call you back within a quarter of an hour.";

#[test]
#[ignore = "needs models"]
fn real_models_take_no_more_than_is_computed_and_most_of_it() {
    let runtime = measured("runtime");
    println!("runtime: {}", Bytes(runtime));
    let mut wrong = Vec::new();
    for name in MODELS.into_iter().skip(1) {
        let computed = computed(name).resident_bytes();
        let measured = measured(name).saturating_sub(runtime);
        println!("{name}: {} computed, {} measured", Bytes(computed), Bytes(measured));
        if measured > computed || measured * 2 < computed {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn computed(name: &str) -> Footprint {
    match name {
        "silero" => footprint::silero(&silero()),
        "smart-turn" => footprint::smart_turn(&smart_turn()),
        "piper" => footprint::piper(&piper()),
        "kokoro" => footprint::kokoro(&kokoro()),
        "minilm" => footprint::minilm(&minilm()),
        other => panic!("no model is called {other}"),
    }
    .unwrap()
}

/// Loads what it is told, has it work, and prints by how much its memory grew at most.
#[test]
#[ignore = "only as a child"]
fn real_memory_of_a_child() {
    let Ok(told) = env::var(TOLD) else { return };
    let before = status("VmRSS:");
    let runtime = runtime();
    match told.as_str() {
        "runtime" => {}
        "silero" => {
            let vad = SileroVad::load(&runtime, &silero()).unwrap();
            let sound = || Box::pin(stream::iter(frames(&noise(32_000, 3000), 16_000)));
            block_on(join_all((0..64).map(|_| vad.listen(sound()).collect::<Vec<_>>())));
        }
        "smart-turn" => {
            let model = SmartTurn::load(&runtime, &smart_turn()).unwrap();
            let sound: Arc<[i16]> = noise(128_000, 3000).into();
            block_on(model.score(sound, Instant::now())).unwrap();
        }
        "piper" => speak(&Piper::load(&runtime, &piper()).unwrap()),
        "kokoro" => speak(&Kokoro::load(&runtime, &kokoro()).unwrap()),
        "minilm" => {
            let model = MiniLm::load(&runtime, &minilm()).unwrap();
            block_on(model.embed(vec![LONG.repeat(2); 64])).unwrap();
        }
        other => panic!("no model is called {other}"),
    }
    println!("\npeak {}", status("VmHWM:") - before);
}

fn speak(tts: &dyn TextToSpeech) {
    let voice = Voice { name: String::new(), speed: 1.0 };
    let said = || {
        let clause = Clause { text: LONG.into(), speakable: LONG.into() };
        tts.speak(Box::pin(stream::iter([Ok(clause)])), &voice, Party::default())
            .collect::<Vec<_>>()
    };
    block_on(join_all([said(), said()]));
}

fn silero() -> SileroConfig {
    SileroConfig::new(model("silero-vad/silero_vad.onnx"))
}

fn smart_turn() -> SmartTurnConfig {
    SmartTurnConfig::new(model("smart-turn-v3.2/smart-turn.onnx"))
}

fn piper() -> PiperConfig {
    let folder = model("piper-en_US-joe-medium");
    PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"))
}

fn kokoro() -> KokoroConfig {
    let folder = model("kokoro-82m");
    KokoroConfig::new(folder.join("model.onnx"), folder.join("voices"))
}

fn minilm() -> MiniLmConfig {
    let folder = model("all-minilm-l6-v2");
    MiniLmConfig::new(folder.join("model.onnx"), folder.join("tokenizer.json"))
}

fn measured(name: &str) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", CHILD, "--ignored", "--nocapture"]);
    let output = child.env(TOLD, name).output().unwrap();
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
