//! Story: harmful texts are told from harmless ones, by sentences that the check has not learned from.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use trunkline_acceptance::Server;

/// `categories<TAB>sentence`.
const SENTENCES: &str = include_str!("data/moderation.txt");
/// What is asked at once.
const BATCH: usize = 90;

/// Measured: 0.862 of the harmful sentences, 0.007 of the harmless ones.
#[test]
#[ignore = "needs models"]
fn real_harmful_sentences_are_flagged_and_harmless_ones_are_not() {
    let models = "stt = \"whisper-tiny.en\"\nllm = \"qwen2.5-coder-0.5b-instruct\"\n";
    let Some(server) = Server::start(&format!("[models]\n{models}")) else { return };
    let server = server.unwrap();
    let (mut harmful, mut found, mut harmless, mut mistaken) = (0_u32, 0_u32, 0_u32, 0_u32);
    let lines: Vec<(&str, &str)> =
        SENTENCES.lines().map(|line| line.split_once('\t').unwrap()).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for batch in lines.chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
        let results = runtime.block_on(judged(&server, &texts));
        for ((categories, _), result) in batch.iter().zip(results.as_array().unwrap()) {
            let is_flagged = u32::from(result["flagged"] == true);
            if *categories == "harmless" {
                (harmless, mistaken) = (harmless + 1, mistaken + is_flagged);
            } else {
                (harmful, found) = (harmful + 1, found + is_flagged);
            }
        }
    }
    assert!(harmful > 100 && harmless > 100, "{harmful} {harmless}");
    assert!(found * 100 >= harmful * 80, "{found} of {harmful} harmful ones");
    assert!(mistaken * 100 <= harmless * 3, "{mistaken} of {harmless} harmless ones");
}

async fn judged(server: &Server, texts: &[&str]) -> Value {
    let url = format!("http://{}/v1/moderations", server.http());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).json(&json!({ "input": texts })).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["results"].take()
}
