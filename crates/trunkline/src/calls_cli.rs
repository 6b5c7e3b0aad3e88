//! `trunkline calls list|show`: the record of calls, read from a running server.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use crate::{admin::Admin, exit::Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct CallsArgs {
    #[command(subcommand)]
    command: Command,
    /// The server's HTTP address.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    admin: String,
    /// Print the server's JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the last calls.
    List {
        /// How many, 1 to 200.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one call, turn by turn.
    Show {
        /// Its id, or its SIP Call-ID.
        call_id: String,
    },
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) async fn run(args: CallsArgs) -> Result<(), Failure> {
    let (path, query) = match &args.command {
        Command::List { limit } => (vec!["calls"], Some(format!("limit={limit}"))),
        Command::Show { call_id } => (vec!["calls", call_id.as_str()], None),
    };
    let answer = ask(&args.admin, &path, query.as_deref()).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer).map_err(Failure::new)?);
        return Ok(());
    }
    let lines = match args.command {
        Command::List { .. } => list(&answer),
        Command::Show { .. } => show(&answer),
    };
    println!("{}", lines.join("\n"));
    Ok(())
}

async fn ask(admin: &str, path: &[&str], query: Option<&str>) -> Result<Value, Failure> {
    let bad = |e: &dyn std::fmt::Display| Failure::unavailable(format!("{admin}: {e}"));
    let request = Admin::at(admin)?.get(path, query).timeout(Duration::from_secs(10));
    let response = request.send().await.map_err(|e| bad(&e))?;
    let status = response.status();
    let body: Value = response.json().await.map_err(|e| bad(&e))?;
    if status.is_success() {
        return Ok(body);
    }
    let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or("refused");
    Err(Failure::new(format!("{admin} answers {status}: {message}")))
}

fn list(answer: &Value) -> Vec<String> {
    let calls = answer.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<String> = calls
        .iter()
        .map(|call| {
            format!(
                "{}  {}  {} -> {}  {}",
                text(call, "call_id"),
                text(call, "started_at"),
                text(call, "from"),
                text(call, "to"),
                text(call, "outcome"),
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("no calls yet".to_owned());
    }
    lines
}

fn show(call: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{} -> {}, agent {}, {}, {}",
        text(call, "from"),
        text(call, "to"),
        text(call, "agent"),
        text(call, "started_at"),
        text(call, "outcome")
    )];
    let turns = call.get("turns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for turn in turns {
        let total = turn.pointer("/latency_ms/total").map_or_else(|| "-".into(), Value::to_string);
        lines.push(format!("{:>3} caller  {}", text(turn, "turn"), text(turn, "heard")));
        lines.push(format!("    agent   {}  ({total} ms)", text(turn, "reply")));
    }
    lines
}

/// The field as people read it; a dash where there is none.
fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".into(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_listed_a_line_each() {
        let answer = json!({"data": [{
            "call_id": "1", "started_at": "then", "from": "a", "to": "b", "outcome": null,
        }]});
        assert_eq!(list(&answer), ["1  then  a -> b  -"]);
        assert_eq!(list(&json!({"data": []})), ["no calls yet"]);
        assert_eq!(list(&json!({})), ["no calls yet"]);
    }

    #[test]
    fn a_call_is_shown_turn_by_turn_with_its_times() {
        let call = json!({
            "from": "a", "to": "b", "agent": "x", "started_at": "then", "outcome": "caller_hung_up",
            "turns": [
                {"turn": 1, "heard": "hello", "reply": "hi", "latency_ms": {"total": 640}},
                {"turn": 2, "heard": "bye", "reply": null, "latency_ms": null},
            ],
        });
        let expected = [
            "a -> b, agent x, then, caller_hung_up",
            "  1 caller  hello",
            "    agent   hi  (640 ms)",
            "  2 caller  bye",
            "    agent   -  (- ms)",
        ];
        assert_eq!(show(&call), expected);
    }
}
