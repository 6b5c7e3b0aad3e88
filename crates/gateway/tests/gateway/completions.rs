//! `/v1/completions` over a real socket.

use serde_json::json;

use crate::program::{Program, settled};

const PATH: &str = "/v1/completions";

#[tokio::test]
async fn texts_are_continued_whole() {
    let program = Program::open(&["there was a king", "two"]).await;
    let body = json!({
        "model": "gpt-3.5-turbo-instruct", "prompt": ["Once upon a time", "One"], "echo": true,
        "max_tokens": 3,
    });
    insta::assert_json_snapshot!("completion", settled(program.ok(PATH, &body).await));
    assert_eq!(program.llm.completed()[1].prompt, "One");
    program.close().await;
}

#[tokio::test]
async fn texts_are_continued_as_they_are_made() {
    let program = Program::open(&["a king"]).await;
    let body = json!({
        "model": "scripted", "prompt": "Once ", "echo": true, "stream_options": {"include_usage": true},
    });
    insta::assert_snapshot!("completion_stream", program.stream(PATH, &body).await);
    program.close().await;
}

#[tokio::test]
async fn probabilities_have_their_old_shape() {
    let program = Program::open(&["a king"]).await;
    let body = json!({"model": "scripted", "prompt": "Once", "logprobs": 2});
    let answer = program.ok(PATH, &body).await;
    insta::assert_json_snapshot!("completion_logprobs", answer["choices"]);
    program.close().await;
}

#[tokio::test]
async fn what_is_old_beyond_use_is_refused_by_its_name() {
    let program = Program::open(&["x"]).await;
    for (body, param) in [
        (json!({"model": "scripted", "prompt": "a", "suffix": "b"}), "suffix"),
        (json!({"model": "scripted", "prompt": [1, 2, 3]}), "prompt"),
        (json!({"model": "scripted", "prompt": "a", "best_of": 3}), "best_of"),
        (json!({"prompt": "a"}), "model"),
    ] {
        assert_eq!(program.refused(PATH, &body).await, (400, json!(param)), "{body}");
    }
    program.close().await;
}
