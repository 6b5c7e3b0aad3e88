//! Measures a model as a call uses it: prompt and reply speed, and the time to the first token of a
//! short question after evaluated instructions.
//!
//! `cargo run -p trunkline-llama --example measure_llama -- MODEL.gguf [threads] [batch tokens] [rounds] [sharing cores: 0 or 1]
//! [this project's kernels: 0 or 1]`

#![expect(clippy::print_stdout, reason = "its output is the figures")]

use std::time::{Duration, Instant};

use futures::{StreamExt, executor::block_on};
use trunkline_inference::{Chat, ChatModel, ChatOptions, Message, ReplyPiece, Role};
use trunkline_llama::{Kernels, Llama, LlamaConfig};

const INSTRUCTIONS: &str = "You are the receptionist of Bergmann Dental in Bern, on the telephone. \
    Answer in one or two short spoken sentences, without lists, without markup. Facts: we are open Monday to \
    Friday from eight in the morning to half past five in the afternoon and closed at weekends. The practice is at \
    Lindenweg 12, next to the library, and there is parking behind the house. A check-up costs ninety francs and \
    takes half an hour. Doctor Bergmann and Doctor Keller see patients; emergencies are seen the same day. New \
    patients are welcome and should come ten minutes early with their insurance card. If you do not know something, \
    say so and offer to have somebody call back. Never make up prices, times or names. Ask only one question at a time \
    and repeat dates and telephone numbers that the caller gives you.";

const QUESTIONS: [&str; 6] = [
    "Hello, I would like to know when you are open during the week, please.",
    "And where exactly are you, is there a place where I can park my car?",
    "How much would a check-up cost for me and how long does it take?",
    "My tooth hurts a lot since yesterday evening, can I come by today?",
    "I have never been to your practice before, what do I have to bring?",
    "Which doctors see patients there and could I choose one of the two?",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let model =
        args.next().ok_or("usage: measure MODEL.gguf [threads] [batch tokens] [rounds] [0|1]")?;
    let mut config = LlamaConfig::new(model);
    let mut number = |default: u32| args.next().map_or(Ok(default), |n| n.parse());
    config.threads = number(config.threads)?;
    config.batch_tokens = number(config.batch_tokens)?;
    let rounds = number(3)?;
    config.is_sharing_cores = number(1)? != 0;
    config.kernels = if number(1)? == 0 { Kernels::LlamaCpp } else { Kernels::Native };
    let loading = Instant::now();
    let llama = Llama::load(config.clone())?;
    println!("loaded in {:.2} s, {config:?}", loading.elapsed().as_secs_f32());
    for round in 0..rounds {
        let salt = u64::from(round);
        let cold = run(&llama, chat(salt, &[], 0));
        let fresh = f64::from(cold.prompt - cold.cached);
        println!(
            "instructions: {} tokens, {:.3} s, {:.0} tok/s",
            cold.prompt,
            cold.total.as_secs_f64(),
            fresh / cold.total.as_secs_f64()
        );
        for question in QUESTIONS {
            let reply = run(&llama, chat(salt, &[question], 32));
            let words: Vec<&str> = question.split_inclusive(' ').collect();
            let (stable, _) = words.split_at(words.len() - 3);
            let salt = salt + 1000;
            run(&llama, chat(salt, &[&stable.concat()], 0));
            let warmed = run(&llama, chat(salt, &[question], 8));
            println!(
                "question of {} new tokens: first token {:.3} s, then {:.4} s each, first clause {:.3} s; words heard \
                 before: {} new tokens, first token {:.3} s; {}",
                reply.prompt - reply.cached,
                reply.first.as_secs_f64(),
                reply.each().as_secs_f64(),
                reply.clause.as_secs_f64(),
                warmed.prompt - warmed.cached,
                warmed.first.as_secs_f64(),
                reply.text,
            );
        }
    }
    Ok(())
}

fn chat(salt: u64, turns: &[&str], max_tokens: u32) -> Chat {
    let message = |role, content: &str| Message::new(role, content);
    let turns = turns.iter().map(|turn| message(Role::User, turn));
    Chat {
        messages: std::iter::once(message(Role::System, INSTRUCTIONS)).chain(turns).collect(),
        options: ChatOptions { max_tokens, ..ChatOptions::default() },
        cache_salt: salt,
        ..Chat::default()
    }
}

#[derive(Default)]
struct Measured {
    text: String,
    first: Duration,
    clause: Duration,
    total: Duration,
    prompt: u32,
    cached: u32,
    generated: u32,
}

impl Measured {
    fn each(&self) -> Duration {
        self.total.saturating_sub(self.first) / self.generated.saturating_sub(1).max(1)
    }
}

fn run(llama: &Llama, chat: Chat) -> Measured {
    let begun = Instant::now();
    let mut measured = Measured::default();
    let mut stream = llama.reply(chat);
    while let Some(piece) = block_on(stream.next()) {
        match piece {
            Ok(ReplyPiece::Text(text)) => {
                if measured.text.is_empty() {
                    measured.first = begun.elapsed();
                }
                if measured.clause.is_zero() && text.contains(['.', ',', '?', '!']) {
                    measured.clause = begun.elapsed();
                }
                measured.text.push_str(&text);
            }
            Ok(ReplyPiece::Logprobs(_)) => {}
            Ok(ReplyPiece::Usage { prompt, cached, generated, .. }) => {
                (measured.prompt, measured.cached, measured.generated) =
                    (prompt, cached, generated);
            }
            Ok(ReplyPiece::ToolCall(call)) => println!("{call:?}"),
            Err(error) => println!("failed: {error}"),
        }
    }
    measured.total = begun.elapsed();
    measured
}
