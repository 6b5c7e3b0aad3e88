//! Speaks lines of text as an agent's replies are spoken, and prints when how much sound came: our side of
//! `benches/voices.py`.
//!
//! `voice_lines MODELS_FOLDER (piper|kokoro) THREADS`, then lines `NUMBER<tab>TEXT` on standard input, all of
//! which are spoken at once. Prints `ready`, for each piece of sound `NUMBER SECONDS`, and `NUMBER end`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::{
    io::{BufRead, BufReader, Write, stdin},
    path::Path,
    sync::Arc,
};

use futures::{StreamExt, stream};
use tokio::task::JoinSet;
use trunkline_inference::{Clause, Party, SpeechPiece, TextToSpeech, Voice};
use trunkline_onnx::{Kokoro, KokoroConfig, Piper, PiperConfig, Runtime};
use trunkline_session::clauses::ClauseCutter;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, models, engine, threads] = &args[..] else { panic!("see the top of the file") };
    let voice = load(Path::new(models), engine, threads.parse().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    tell("ready");
    let mut replies = JoinSet::new();
    for line in BufReader::new(stdin()).lines().map(Result::unwrap) {
        let (number, text) = line.split_once('\t').unwrap();
        let reply = speak(Arc::clone(&voice), number.to_owned(), clauses(text));
        replies.spawn_on(reply, runtime.handle());
        while replies.try_join_next().is_some() {}
    }
    runtime.block_on(replies.join_all());
}

async fn speak(voice: Arc<dyn TextToSpeech>, number: String, clauses: Vec<Clause>) {
    let clauses = Box::pin(stream::iter(clauses.into_iter().map(Ok)));
    let mut speech = voice.speak(clauses, &Voice::default(), Party::default());
    while let Some(piece) = speech.next().await {
        if let SpeechPiece::Audio(frame) = piece.unwrap() {
            tell(&format!("{number} {}", frame.duration().as_secs_f64()));
        }
    }
    tell(&format!("{number} end"));
}

/// As a session or the HTTP face cuts them.
fn clauses(text: &str) -> Vec<Clause> {
    let mut cutter = ClauseCutter::new(Some("en".to_owned()));
    cutter.push(text);
    std::iter::from_fn(|| cutter.finish()).collect()
}

fn load(models: &Path, engine: &str, threads: usize) -> Arc<dyn TextToSpeech> {
    let runtime = Runtime::load(&models.join("onnxruntime/libonnxruntime.so")).unwrap();
    match engine {
        "piper" => {
            let folder = models.join("piper-en_US-joe-medium");
            let config = PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"));
            Arc::new(Piper::load(&runtime, &PiperConfig { threads, ..config }).unwrap())
        }
        "kokoro" => {
            let folder = models.join("kokoro-82m");
            let config = KokoroConfig::new(folder.join("model.onnx"), folder.join("voices"));
            Arc::new(Kokoro::load(&runtime, &KokoroConfig { threads, ..config }).unwrap())
        }
        other => panic!("no engine {other}"),
    }
}

fn tell(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}
