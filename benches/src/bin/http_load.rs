//! Sends chat requests at a steady rate, whatever the answers take, and tells how long they took.
//!
//! usage: `http_load URL MODEL RATE SECONDS [stream]`
//!
//! Prints one JSON line: requests, failures, and percentiles of the time from when a request was due to
//! the end of its answer, microseconds; with `stream` also of the time to each further event after the
//! one before. A request that waits for a late one counts its waiting.

use std::{
    env,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Requests under way; past that the server is overwhelmed and the figures say nothing.
const MOST_AT_ONCE: usize = 4096;

struct Asked {
    url: String,
    model: String,
    rate: f64,
    seconds: f64,
    is_stream: bool,
}

/// One answer.
struct Answered {
    took: Duration,
    gaps: Vec<Duration>,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's result")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some(asked) = read(&arguments) else {
        eprintln!("usage: http_load URL MODEL RATE SECONDS [stream]");
        return ExitCode::from(2);
    };
    match send_all(asked).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("http_load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(arguments: &[String]) -> Option<Asked> {
    let [url, model, rate, seconds, rest @ ..] = arguments else { return None };
    let is_stream = rest.first().is_some_and(|word| word == "stream");
    let (rate, seconds) = (rate.parse().ok()?, seconds.parse().ok()?);
    Some(Asked { url: url.clone(), model: model.clone(), rate, seconds, is_stream })
}

async fn send_all(asked: Asked) -> Result<Value, reqwest::Error> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(MOST_AT_ONCE).build()?;
    let body = json!({
        "model": asked.model,
        "stream": asked.is_stream,
        "messages": [{ "role": "user", "content": "When do you open?" }],
    });
    let body: Arc<str> = body.to_string().into();
    let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut tick = interval(Duration::from_secs_f64(1.0 / asked.rate));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sending = JoinSet::new();
    let mut overwhelmed = 0_u32;
    let end = Instant::now() + Duration::from_secs_f64(asked.seconds);
    while Instant::now() < end {
        let due = tick.tick().await.into_std();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            overwhelmed += 1;
            continue;
        };
        let (client, url, body) = (client.clone(), asked.url.clone(), Arc::clone(&body));
        sending.spawn(async move {
            let answered = send(&client, &url, &body, due).await;
            drop(place);
            answered
        });
    }
    let answers = sending.join_all().await;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let answers: Vec<Answered> = answers.into_iter().flatten().collect();
    let gaps = answers.iter().flat_map(|a| a.gaps.iter().copied()).collect();
    Ok(json!({
        "rate": asked.rate, "answered": answers.len(), "failed": failed, "not_sent": overwhelmed,
        "took_us": percentiles(answers.iter().map(|a| a.took).collect()),
        "between_events_us": percentiles(gaps),
    }))
}

async fn send(client: &Client, url: &str, body: &str, due: Instant) -> Result<Answered, String> {
    let request = client.post(url).header("content-type", "application/json");
    let request = request.bearer_auth("sk-bench").body(body.to_owned());
    let answer = request.send().await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(answer.status().to_string());
    }
    let mut pieces = answer.bytes_stream();
    let (mut gaps, mut before) = (Vec::new(), None);
    while let Some(piece) = pieces.next().await {
        piece.map_err(|error| error.to_string())?;
        let now = Instant::now();
        gaps.extend(before.map(|before| now - before));
        before = Some(now);
    }
    Ok(Answered { took: due.elapsed(), gaps })
}

fn percentiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |part: usize| {
        let index = (times.len() * part / 1000).min(times.len().saturating_sub(1));
        times.get(index).map(Duration::as_micros)
    };
    json!({ "p50": at(500), "p90": at(900), "p99": at(990), "max": times.last().map(Duration::as_micros) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = (1..=1000).rev().map(Duration::from_micros).collect();
        assert_eq!(percentiles(times), json!({ "p50": 501, "p90": 901, "p99": 991, "max": 1000 }));
        assert!(percentiles(Vec::new())["p50"].is_null());
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let read = |text: &str| read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(read("http://x model 10 2 stream").is_some_and(|a| a.is_stream && a.rate > 9.0));
        assert!(read("http://x model ten 2").is_none());
        assert!(read("http://x").is_none());
    }
}
