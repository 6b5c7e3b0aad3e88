//! Story: whatever is sent to the API, the server answers it properly and lives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet};
use trunkline_acceptance::{FuzzedRequest, Fuzzer, Server};

/// Answers with fakes: what is tested is everything around the models. More requests at once than the
/// test sends, so that none is refused for that.
const FAKES: &str = "[models]\nllm = \"fake\"\n[api]\nmax_requests = 256\n";
const AT_ONCE: usize = 48;
/// An answer that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn two_thousand_odd_requests_are_answered_properly() {
    send(2_000, 1);
}

/// The long form of the same.
#[test]
#[ignore = "takes minutes: `cargo nextest run --profile soak`"]
fn soak_twenty_thousand_odd_requests_are_answered_properly() {
    send(20_000, 2);
}

fn send(count: usize, seed: u64) {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let wrong = tokio::runtime::Runtime::new().unwrap().block_on(send_all(&server, count, seed));
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong, seed {seed}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(server.get("/health").unwrap().status, 200);
    let errors = server.errors();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

async fn send_all(server: &Server, count: usize, seed: u64) -> Vec<String> {
    let base = format!("http://{}", server.http());
    let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut fuzzer = Fuzzer::new(seed);
    let mut sending = JoinSet::new();
    for _ in 0..count {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (client, base, request) = (client.clone(), base.clone(), fuzzer.request());
        sending.spawn(async move {
            let wrong = send_one(&client, &base, &request).await.err();
            drop(place);
            wrong.map(|what| {
                format!("{what}: {} {} {:?}", request.method, request.path, body(&request))
            })
        });
    }
    sending.join_all().await.into_iter().flatten().collect()
}

/// What is wrong with the answer, if anything.
async fn send_one(client: &Client, base: &str, request: &FuzzedRequest) -> Result<(), String> {
    let method = Method::from_bytes(request.method.as_bytes()).unwrap();
    let mut sent = client.request(method, format!("{base}{}", request.path));
    for (name, value) in &request.headers {
        sent = sent.header(*name, value.as_bytes());
    }
    // A request that cannot be built or that this client refuses to send never reached the server.
    let sent = match sent.body(request.body.clone()).send().await {
        Err(error) if error.is_builder() => return Ok(()),
        answer => answer.map_err(|error| format!("no answer: {error:?}"))?,
    };
    let status = sent.status();
    let is_json = sent.headers().get("content-type").is_some_and(|t| t == "application/json");
    let bytes = sent.bytes().await.map_err(|error| format!("{status}, cut off: {error:?}"))?;
    if status.is_server_error() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)));
    }
    if status.is_client_error() && request.method != "HEAD" {
        let error: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let has = |key: &str| error["error"].get(key).is_some();
        if !(is_json && ["message", "type", "param", "code"].into_iter().all(has)) {
            return Err(format!(
                "{status} without a proper error: {}",
                String::from_utf8_lossy(&bytes)
            ));
        }
    }
    Ok(())
}

fn body(request: &FuzzedRequest) -> String {
    String::from_utf8_lossy(&request.body).chars().take(600).collect()
}
