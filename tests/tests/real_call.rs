//! Story: a caller with a question is understood and answered, with real models.

use trunkline_acceptance::{Server, run};

/// The small set, which `make test` fetches.
const TINY: &str =
    "[models]\nstt = \"whisper-tiny.en\"\nllm = \"qwen2.5-coder-0.5b-instruct\"\nslots = 4\n";

#[test]
#[ignore = "needs models"]
fn real_question_over_the_telephone_is_heard_and_answered() {
    let Some(server) = Server::start(TINY) else { return };
    let server = server.unwrap();
    let (to, admin) = (server.uri("demo"), format!("http://{}", server.http()));
    let question = "What are your opening hours on Friday?";
    let output =
        run(&["call", "--to", &to, "--admin", &admin, "--json", "--text", question]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let turn = &report["turns"][0];
    let heard = turn["heard"].as_str().unwrap_or_default().to_lowercase();
    assert!(heard.contains("opening hours"), "{report:#}");
    assert!(!turn["reply"].as_str().unwrap_or_default().is_empty(), "{report:#}");
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}
