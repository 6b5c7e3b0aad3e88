//! What a language model's lane does on this machine, GPU or none (G2): tokens a second for so many replies at
//! once, how fast prompts are read, and the time to the first token while turns come at a rate.
//!
//! `language_steps (8b | small | MODEL.gguf) [native | llama.cpp | auto] [SECONDS]`
//!
//! `8b` and `small` are random weights in that shape (8.5 GB, 120 MB), written below the current folder and taken
//! away again. A turn has instructions of 1000 tokens, those of nine in ten the same, 100 tokens of its own, and a
//! reply of 60. Prints a line of JSON for each figure.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};
use trunkline_benches::{
    random::Random,
    random_weights::{LanguageShape, Written},
};
use trunkline_inference::{
    Chat, ChatModel, ChatOptions, Message, ModelError, Party, ReplyPiece, Role, schedule::Tenant,
};
use trunkline_llama::{Kernels, Llama, LlamaConfig};

const SLOTS: u32 = 256;
const INSTRUCTIONS: usize = 1_000;
const ASKED: usize = 100;
const WRITTEN: u32 = 60;
/// One turn in so many has instructions that nobody has seen.
const STRANGERS: u64 = 10;
const AT_ONCE: [usize; 5] = [1, 8, 32, 128, 256];
const TURNS_A_SECOND: [f64; 4] = [1.0, 25.0, 50.0, 100.0];
/// Turns later than this mean that there are too many: the next rates are left out.
const TOO_LATE: f64 = 5.0;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let model =
        args.next().expect("usage: language_steps (8b | small | MODEL.gguf) [KERNELS] [SECONDS]");
    let kernels = match args.next().as_deref() {
        Some("native") => Kernels::Native,
        Some("llama.cpp") => Kernels::LlamaCpp,
        _ => Kernels::Fastest,
    };
    let seconds = args.next().map_or(10.0, |seconds| seconds.parse().unwrap());
    let (path, _random) = model_file(&model);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(16));
    let loading = Instant::now();
    let llama = Llama::load(LlamaConfig {
        slots: SLOTS,
        threads: u32::try_from(threads).unwrap(),
        is_sharing_cores: false,
        context_tokens: 1_400,
        batch_tokens: 512,
        kept_prompts: 0,
        kernels,
        ..LlamaConfig::new(path)
    })
    .unwrap();
    tell(&json!({"model": model, "kernels": format!("{kernels:?}"), "threads": threads,
        "loaded_s": loading.elapsed().as_secs_f64()}));
    read(&llama).await;
    for at_once in AT_ONCE {
        if !write(&llama, at_once).await {
            break;
        }
    }
    for rate in TURNS_A_SECOND {
        if !turns(&llama, rate, seconds).await {
            break;
        }
    }
}

fn model_file(model: &str) -> (PathBuf, Option<Written>) {
    let shape = match model {
        "8b" => LanguageShape::EIGHT_BILLION,
        "small" => LanguageShape::SMALL,
        file => return (file.into(), None),
    };
    let path = Path::new(&format!("random-{model}.gguf")).to_owned();
    shape.write(&path, 1).unwrap();
    (path.clone(), Some(Written(path)))
}

/// How fast a prompt is read that nobody has seen.
async fn read(llama: &Llama) {
    let mut rates: Vec<f64> = Vec::new();
    for stranger in 1..=3 {
        let reply = timed(llama, chat(stranger, ASKED, 1)).await;
        rates.push(f64::from(reply.prompt - reply.cached) / reply.first.as_secs_f64());
    }
    tell(&json!({"figure": "prompt_tokens_a_s", "median": percentile(rates, 0.5)}));
}

/// Tokens a second of so many replies at once, after instructions that all share. False when they are too slow to
/// go on.
async fn write(llama: &Llama, at_once: usize) -> bool {
    timed(llama, chat(0, 0, 0)).await;
    let begun = Instant::now();
    let replies = join_all((0..at_once).map(|_| timed(llama, chat(0, 1, WRITTEN)))).await;
    let first = replies.iter().map(|reply| reply.first).max().unwrap_or_default();
    let generated: u32 = replies.iter().map(|reply| reply.generated.saturating_sub(1)).sum();
    let took = begun.elapsed().saturating_sub(first).as_secs_f64().max(1e-9);
    let rate = f64::from(generated) / took;
    tell(&json!({"figure": "tokens_a_s", "at_once": at_once, "all": rate,
        "step_ms": took / f64::from(WRITTEN) * 1e3}));
    rate > 5.0 * f64::from(u32::try_from(at_once).unwrap()) / 8.0
}

/// The time to the first token while turns come at random, so many a second. False when they are too late.
async fn turns(llama: &Llama, rate: f64, seconds: f64) -> bool {
    let mut random = Random::new(7);
    let (mut running, mut offered) = (JoinSet::new(), 0);
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < seconds {
        let stranger = random.bits();
        let salt = if stranger.is_multiple_of(STRANGERS) { stranger } else { 0 };
        let (llama, chat) = (llama.clone(), chat(salt, ASKED, WRITTEN));
        running.spawn(async move { timed(&llama, chat).await });
        offered += 1;
        sleep(Duration::from_secs_f64(random.exponential(1.0 / rate))).await;
    }
    let replies = running.join_all().await;
    let times = |of: fn(&Reply) -> Duration| -> Vec<f64> {
        replies.iter().map(|reply| of(reply).as_secs_f64()).collect()
    };
    let p99 = percentile(times(|reply| reply.first), 0.99);
    tell(&json!({"figure": "first_token_s", "turns_a_s": rate, "turns": offered,
        "p50": percentile(times(|reply| reply.first), 0.5), "p99": p99,
        "token_ms_p50": percentile(times(|reply| reply.each), 0.5) * 1e3}));
    p99 < TOO_LATE
}

struct Reply {
    first: Duration,
    each: Duration,
    prompt: u32,
    cached: u32,
    generated: u32,
}

async fn timed(llama: &Llama, chat: Chat) -> Reply {
    let begun = Instant::now();
    let mut stream = llama.reply(chat.clone());
    let (mut first, mut counts) = (None, (0, 0, 0));
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(ReplyPiece::Usage { prompt, cached, generated, .. }) => {
                counts = (prompt, cached, generated);
            }
            Ok(ReplyPiece::Text(_) | ReplyPiece::Logprobs(_) | ReplyPiece::ToolCall(_)) => {
                first = first.or_else(|| Some(begun.elapsed()));
            }
            // Its queue is full: it has not looked into it yet.
            Err(ModelError::Busy { .. }) => {
                sleep(Duration::from_millis(2)).await;
                stream = llama.reply(chat.clone());
            }
            Err(error) => panic!("{error}"),
        }
    }
    let first = first.unwrap_or_else(|| begun.elapsed());
    let (prompt, cached, generated) = counts;
    let each = begun.elapsed().saturating_sub(first) / generated.saturating_sub(1).max(1);
    Reply { first, each, prompt, cached, generated }
}

/// A turn: about as many tokens as letters.
fn chat(salt: u64, asked: usize, written: u32) -> Chat {
    let words = |seed: u64, letters: usize| -> String {
        let mut random = Random::new(seed);
        (0..letters).map(|_| char::from(b'a' + (random.bits() % 26) as u8)).collect()
    };
    // Tokens are told as they are written, also those that make no letters.
    let options =
        ChatOptions { max_tokens: written, top_logprobs: Some(1), ..ChatOptions::default() };
    Chat {
        messages: vec![
            Message::new(Role::System, words(salt, INSTRUCTIONS)),
            Message::new(Role::User, words(u64::MAX, asked)),
        ],
        options,
        cache_salt: salt,
        party: Party::caller(Tenant::default()),
        ..Chat::default()
    }
}

fn percentile(mut times: Vec<f64>, part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place among a few thousand"
    )]
    let at = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(at).copied().unwrap_or(0.0)
}

fn tell(figure: &Value) {
    println!("{figure}");
}
