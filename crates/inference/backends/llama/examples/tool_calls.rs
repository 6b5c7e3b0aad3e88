//! How often a model calls the right function with the right arguments, and none where none helps.
//!
//! `cargo run -p trunkline-llama --example tool_calls -- MODEL.gguf [prompts]`

#![expect(clippy::print_stdout, reason = "its output is the figures")]

use std::time::Instant;

use futures::{StreamExt, executor::block_on};
use serde_json::{Value, json};
use trunkline_inference::{
    Chat, ChatModel, ChatOptions, Message, ModelError, ReplyPiece, Role, Tool, ToolCall,
};
use trunkline_llama::{Llama, LlamaConfig};

const INSTRUCTIONS: &str = "You are the telephone assistant of Bergmann Dental in Bern. Use the functions \
    where the caller asks for something that they do or know. Greet, thank and answer general questions \
    in a short sentence without any function.";

/// What is said, the function that is right and what its arguments must contain; no function where
/// words are right.
const PROMPTS: [Prompt; 50] = [
    (
        "Please book me an appointment on Monday at 10:00.",
        "book_appointment",
        &[("day", "Monday"), ("time", "10:00")],
    ),
    (
        "I need a check-up on Friday at 14:30.",
        "book_appointment",
        &[("day", "Friday"), ("time", "14:30")],
    ),
    (
        "Can I come on Tuesday at 08:15?",
        "book_appointment",
        &[("day", "Tuesday"), ("time", "08:15")],
    ),
    (
        "Book Thursday at 16:00 for me, please.",
        "book_appointment",
        &[("day", "Thursday"), ("time", "16:00")],
    ),
    (
        "I would like to see the doctor on Wednesday at 09:00.",
        "book_appointment",
        &[("day", "Wednesday"), ("time", "09:00")],
    ),
    (
        "Put me down for Monday at 11:45.",
        "book_appointment",
        &[("day", "Monday"), ("time", "11:45")],
    ),
    (
        "Make an appointment for Friday at 08:00.",
        "book_appointment",
        &[("day", "Friday"), ("time", "08:00")],
    ),
    ("Please cancel my appointment number 4711.", "cancel_appointment", &[("number", "4711")]),
    ("I have to cancel appointment 1203.", "cancel_appointment", &[("number", "1203")]),
    ("Appointment 88 has to be cancelled.", "cancel_appointment", &[("number", "88")]),
    ("I can't make it, cancel booking number 530.", "cancel_appointment", &[("number", "530")]),
    ("Cancel 9921 please, I am ill.", "cancel_appointment", &[("number", "9921")]),
    ("What is the weather in Zurich?", "weather", &[("city", "Zurich")]),
    ("Will it rain in Geneva tomorrow?", "weather", &[("city", "Geneva")]),
    ("How warm is it in Basel?", "weather", &[("city", "Basel")]),
    ("Is it snowing in Davos?", "weather", &[("city", "Davos")]),
    ("Tell me the weather in Lugano.", "weather", &[("city", "Lugano")]),
    ("Connect me with the billing department.", "transfer_call", &[("department", "billing")]),
    ("I want to talk to somebody in sales.", "transfer_call", &[("department", "sales")]),
    ("Put me through to reception, please.", "transfer_call", &[("department", "reception")]),
    ("Transfer me to billing.", "transfer_call", &[("department", "billing")]),
    ("Could you put me through to the sales team?", "transfer_call", &[("department", "sales")]),
    ("What does a filling cost?", "price", &[("treatment", "filling")]),
    ("How much is a check-up?", "price", &[("treatment", "check-up")]),
    ("What is the price of a cleaning?", "price", &[("treatment", "cleaning")]),
    ("How expensive is a crown?", "price", &[("treatment", "crown")]),
    ("Tell me what a root canal costs.", "price", &[("treatment", "root canal")]),
    (
        "Send me a text message with the address to +41791234567.",
        "send_sms",
        &[("number", "+41791234567")],
    ),
    ("Text the directions to +41445556677.", "send_sms", &[("number", "+41445556677")]),
    (
        "Please send an SMS to +41765550011 saying I will be late.",
        "send_sms",
        &[("number", "+41765550011")],
    ),
    (
        "Send a message to +4915112345678: see you on Monday.",
        "send_sms",
        &[("number", "+4915112345678")],
    ),
    (
        "How many euros are 50 francs?",
        "convert_currency",
        &[("amount", "50"), ("from", "CHF"), ("to", "EUR")],
    ),
    (
        "Convert 200 dollars to francs.",
        "convert_currency",
        &[("amount", "200"), ("from", "USD"), ("to", "CHF")],
    ),
    (
        "What are 90 francs in dollars?",
        "convert_currency",
        &[("amount", "90"), ("from", "CHF"), ("to", "USD")],
    ),
    (
        "Change 1000 euros into dollars for me: how much is it?",
        "convert_currency",
        &[("amount", "1000"), ("from", "EUR"), ("to", "USD")],
    ),
    ("Hello!", "", &[]),
    ("Good morning, how are you?", "", &[]),
    ("Thank you very much, goodbye.", "", &[]),
    ("What is your name?", "", &[]),
    ("Why should I brush my teeth?", "", &[]),
    ("What is the capital of France?", "", &[]),
    ("Tell me a joke about dentists.", "", &[]),
    ("Is sugar bad for teeth?", "", &[]),
    ("You are very kind.", "", &[]),
    ("Do I need to floss every day?", "", &[]),
    ("Sorry, I dialled the wrong number.", "", &[]),
    ("How many teeth does a grown-up have?", "", &[]),
    ("Can you understand me?", "", &[]),
    ("Are you a real person?", "", &[]),
    ("What is two plus two?", "", &[]),
];

type Prompt = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or("usage: tool_calls MODEL.gguf [prompts]")?;
    let prompts = args.next().map_or(Ok(PROMPTS.len()), |n| n.parse())?;
    let llama = Llama::load(LlamaConfig::new(model))?;
    let begun = Instant::now();
    let mut score = Score::default();
    for (said, name, arguments) in PROMPTS.into_iter().take(prompts) {
        let (calls, text) = ask(&llama, said)?;
        let verdict = score.add(&calls, name, arguments);
        println!("{verdict:8} {said} -> {calls:?} {}", text.trim());
    }
    println!(
        "function right: {} of {}; function and arguments right: {}; none called where none helps: {} of {}; \
         arguments not valid: {}; {:.0} s",
        score.right_name,
        score.needed,
        score.right,
        score.right_silence,
        score.unneeded,
        score.invalid,
        begun.elapsed().as_secs_f32(),
    );
    Ok(())
}

#[derive(Default)]
struct Score {
    needed: u32,
    right_name: u32,
    right: u32,
    unneeded: u32,
    right_silence: u32,
    invalid: u32,
}

impl Score {
    fn add(&mut self, calls: &[ToolCall], name: &str, expected: &[(&str, &str)]) -> &'static str {
        self.invalid += u32::from(calls.iter().any(|call| !is_valid(call)));
        if name.is_empty() {
            self.unneeded += 1;
            self.right_silence += u32::from(calls.is_empty());
            return if calls.is_empty() { "right" } else { "WRONG" };
        }
        self.needed += 1;
        let [call] = calls else { return "WRONG" };
        if call.name != name {
            return "WRONG";
        }
        self.right_name += 1;
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let has = |(key, value): &(&str, &str)| {
            let argument = &arguments[*key];
            let text = argument.as_str().map_or_else(|| argument.to_string(), str::to_lowercase);
            text.contains(&value.to_lowercase())
        };
        let is_right = expected.iter().all(has);
        self.right += u32::from(is_right);
        if is_right { "right" } else { "PARTLY" }
    }
}

fn is_valid(call: &ToolCall) -> bool {
    let tools = tools();
    let tool = tools.iter().find(|tool| tool.name == call.name);
    let arguments = serde_json::from_str(&call.arguments);
    matches!((tool, arguments), (Some(tool), Ok(arguments)) if jsonschema::is_valid(&tool.parameters, &arguments))
}

fn ask(llama: &Llama, said: &str) -> Result<(Vec<ToolCall>, String), ModelError> {
    let chat = Chat {
        messages: vec![Message::new(Role::System, INSTRUCTIONS), Message::new(Role::User, said)],
        tools: tools(),
        options: ChatOptions { max_tokens: 80, ..ChatOptions::default() },
        ..Chat::default()
    };
    let pieces: Vec<_> = block_on(llama.reply(chat).collect());
    let (mut calls, mut text) = (Vec::new(), String::new());
    for piece in pieces {
        match piece? {
            ReplyPiece::Text(more) => text.push_str(&more),
            ReplyPiece::ToolCall(call) => calls.push(call),
            ReplyPiece::Logprobs(_) | ReplyPiece::Usage { .. } => {}
        }
    }
    Ok((calls, text))
}

fn tools() -> Vec<Tool> {
    let currency = json!({"enum": ["CHF", "EUR", "USD"]});
    let day = json!({"enum": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]});
    let time = json!({"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"});
    let phone = json!({"type": "string", "pattern": "^\\+[0-9]{8,14}$"});
    let text = json!({"type": "string"});
    vec![
        tool("book_appointment", "Books an appointment.", &json!({"day": day, "time": time})),
        tool(
            "cancel_appointment",
            "Cancels an appointment.",
            &json!({"number": {"type": "integer"}}),
        ),
        tool("weather", "Tells the weather of a city.", &json!({"city": text})),
        tool(
            "transfer_call",
            "Connects the caller with a department.",
            &json!({"department": {"enum": ["reception", "billing", "sales"]}}),
        ),
        tool("price", "Tells what a treatment costs.", &json!({"treatment": text})),
        tool("send_sms", "Sends a text message.", &json!({"number": phone, "text": text})),
        tool(
            "convert_currency",
            "Converts an amount of money.",
            &json!({"amount": {"type": "number"}, "from": currency, "to": currency}),
        ),
    ]
}

/// A function all of whose parameters are required.
fn tool(name: &str, description: &str, properties: &Value) -> Tool {
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
    let parameters = json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false});
    Tool { name: name.to_owned(), description: description.to_owned(), parameters }
}
