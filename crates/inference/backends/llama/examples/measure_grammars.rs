//! Measures what a grammar costs: the first token of a reply with a schema that was never seen, beside one
//! without, and the time of a token while several replies are drawn by chance, with and without.
//!
//! `cargo run -p trunkline-llama --example measure_grammars -- MODEL.gguf [replies at once] [rounds]`

#![expect(clippy::print_stdout, reason = "its output is the figures")]

use std::time::{Duration, Instant};

use futures::{StreamExt, executor::block_on, future::join_all};
use serde_json::{Value, json};
use trunkline_inference::{Chat, ChatModel, ChatOptions, Message, ReplyPiece, Role, TextFormat};
use trunkline_llama::{Llama, LlamaConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or("usage: measure_grammars MODEL.gguf [at once] [rounds]")?;
    let mut number = |default: u32| args.next().map_or(Ok(default), |n| n.parse());
    let (at_once, rounds) = (number(4)?, number(5)?);
    let llama = Llama::load(LlamaConfig {
        slots: at_once,
        is_sharing_cores: false,
        ..LlamaConfig::new(model)
    })?;
    let mut seed = 0;
    run(&llama, 1, || TextFormat::Text);
    for properties in [3, 30, 200] {
        let (mut plain, mut bound) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            seed += 1;
            plain.push(run(&llama, 1, || TextFormat::Text).0);
            bound.push(run(&llama, 1, || TextFormat::JsonSchema(schema(properties, seed))).0);
        }
        let (plain, bound) = (median(plain), median(bound));
        println!(
            "{properties} properties, new: first token {:.1} ms, without {:.1} ms",
            bound * 1e3,
            plain * 1e3
        );
    }
    for properties in [3, 30] {
        let (mut plain, mut bound) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            plain.push(run(&llama, at_once, || TextFormat::Text).1);
            bound.push(
                run(&llama, at_once, || TextFormat::JsonSchema(schema(properties, 1_000_000))).1,
            );
        }
        let (plain, bound) = (median(plain), median(bound));
        println!(
            "{at_once} at once, {properties} properties, known: {:.2} ms a token, without {:.2} ms",
            bound * 1e3,
            plain * 1e3
        );
    }
    Ok(())
}

/// An object of so many properties of several kinds; of another seed another one.
fn schema(properties: u32, seed: u32) -> Value {
    let property = |number: u32| match number % 4 {
        0 => json!({"type": "string", "pattern": "^[A-Z][a-z]{2,20}( [A-Z][a-z]{2,20})?$"}),
        1 => json!({"type": "number", "minimum": 0, "maximum": 100 + number + seed}),
        2 => json!({"enum": ["open", "closed", format!("of {number} and {seed}")]}),
        _ => json!({"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3}),
    };
    let named: serde_json::Map<String, Value> =
        (0..properties).map(|number| (format!("property_{number}"), property(number))).collect();
    let required: Vec<_> = named.keys().cloned().collect();
    json!({"type": "object", "properties": named, "required": required, "additionalProperties": false})
}

/// The median time to the first piece and of each further token, seconds, of so many replies at once.
fn run(llama: &Llama, at_once: u32, format: impl Fn() -> TextFormat) -> (f64, f64) {
    let replies = (0..at_once).map(|seed| {
        let options = ChatOptions {
            temperature: 0.8,
            seed,
            max_tokens: 60,
            format: format(),
            ..ChatOptions::default()
        };
        let asked = Message::new(Role::User, "Make up a JSON object about a hotel by a lake.");
        let chat = Chat { messages: vec![asked], options, ..Chat::default() };
        timed(llama, chat)
    });
    let times: Vec<_> = block_on(join_all(replies));
    let seconds = |of: fn(&(Duration, Duration)) -> Duration| {
        median(times.iter().map(|times| of(times).as_secs_f64()).collect())
    };
    (seconds(|times| times.0), seconds(|times| times.1))
}

async fn timed(llama: &Llama, chat: Chat) -> (Duration, Duration) {
    let (begun, mut first, mut tokens) = (Instant::now(), Duration::ZERO, 0);
    let mut stream = llama.reply(chat);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(ReplyPiece::Usage { generated, .. }) => tokens = generated,
            Ok(_) if first.is_zero() => first = begun.elapsed(),
            Ok(_) => {}
            Err(error) => println!("failed: {error}"),
        }
    }
    (first, begun.elapsed().saturating_sub(first) / tokens.saturating_sub(1).max(1))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
