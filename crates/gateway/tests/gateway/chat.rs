//! `/v1/chat/completions` over a real socket.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_inference::{Role, ToolChoice};

use crate::program::{Program, settled};

const PATH: &str = "/v1/chat/completions";

fn asked(extra: &Value) -> Value {
    let mut body =
        json!({ "model": "gpt-4o", "messages": [{"role": "user", "content": "What time?"}] });
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn tools() -> Value {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!([{"type": "function", "function": {"name": "weather", "parameters": city}}])
}

#[tokio::test]
async fn a_chat_is_answered_by_the_model_that_ran() {
    let program = Program::open(&["At nine o'clock."]).await;
    let answer = program.ok(PATH, &asked(&json!({}))).await;
    insta::assert_json_snapshot!("chat", settled(answer));
    let chat = &program.llm.asked()[0];
    assert_eq!(chat.messages[0].content, "What time?");
    assert_ne!(chat.cache_salt, 0);
    program.close().await;
}

#[tokio::test]
async fn a_chat_is_told_as_it_is_made() {
    let program = Program::open(&["At nine."]).await;
    insta::assert_snapshot!("chat_stream", program.stream(PATH, &asked(&json!({}))).await);
    let with_usage = asked(&json!({"stream_options": {"include_usage": true}}));
    insta::assert_snapshot!("chat_stream_usage", program.stream(PATH, &with_usage).await);
    program.close().await;
}

#[tokio::test]
async fn functions_are_called_and_their_results_heard() {
    let program = Program::open(&[r#"[weather{"city":"Oslo"}] [weather]"#, "It rains."]).await;
    let body = asked(&json!({"tools": tools(), "tool_choice": "required"}));
    let answer = program.ok(PATH, &body).await;
    let message = answer["choices"][0]["message"].clone();
    assert!(message["content"].is_null());
    insta::assert_json_snapshot!("chat_tool_calls", settled(answer));
    let id = |n: usize| message["tool_calls"][n]["id"].clone();
    let result = |n, text| json!({"role": "tool", "tool_call_id": id(n), "content": text});
    // Told in the wrong order.
    let messages = json!([
        {"role": "user", "content": "How is the weather?"}, message,
        result(1, "elsewhere: sun"), result(0, "Oslo: rain"),
    ]);
    program.ok(PATH, &asked(&json!({"messages": messages, "tools": tools()}))).await;
    let chats = program.llm.asked();
    assert_eq!(chats[0].tool_choice, ToolChoice::Required);
    assert_eq!(chats[0].tools[0].name, "weather");
    let said: Vec<_> = chats[1].messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(
        said,
        [
            (Role::User, "How is the weather?"),
            (Role::Assistant, ""),
            (Role::Tool, "Oslo: rain"),
            (Role::Tool, "elsewhere: sun"),
        ]
    );
    assert_eq!(chats[1].messages[1].tool_calls.len(), 2);
    program.close().await;
}

#[tokio::test]
async fn calls_of_functions_are_streamed_name_first() {
    let program = Program::open(&[r#"Wait. [weather{"city":"Oslo"}]"#]).await;
    let body = asked(&json!({"tools": tools()}));
    insta::assert_snapshot!("chat_stream_tool_calls", program.stream(PATH, &body).await);
    program.close().await;
}

#[tokio::test]
async fn old_clients_are_told_of_one_function() {
    let program = Program::open(&["[weather] [weather]"]).await;
    let body = asked(&json!({"functions": [{"name": "weather"}]}));
    let choice = settled(program.ok(PATH, &body).await)["choices"][0].clone();
    insta::assert_json_snapshot!("chat_function_call", choice);
    insta::assert_snapshot!("chat_stream_function_call", program.stream(PATH, &body).await);
    program.close().await;
}

#[tokio::test]
async fn of_parallel_calls_the_first_is_told_when_the_client_takes_one() {
    let program = Program::open(&["[weather] [weather]"]).await;
    let body = asked(&json!({"tools": tools(), "parallel_tool_calls": false}));
    let answer = program.ok(PATH, &body).await;
    assert_eq!(answer["choices"][0]["message"]["tool_calls"].as_array().unwrap().len(), 1);
    program.close().await;
}

#[tokio::test]
async fn several_replies_are_made_to_one_prompt() {
    let program = Program::open(&["one", "two words", "three"]).await;
    let answer = program.ok(PATH, &asked(&json!({"n": 3}))).await;
    let text = |n: usize| answer["choices"][n]["message"]["content"].clone();
    assert_eq!([text(0), text(1), text(2)], ["one", "two words", "three"]);
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 4);
    let streamed = program.stream(PATH, &asked(&json!({"n": 2}))).await;
    for finished in ["\"index\":0", "\"index\":1"] {
        let last = |line: &&str| line.contains(finished) && line.contains("\"stop\"");
        assert_eq!(streamed.lines().filter(last).count(), 1, "{streamed}");
    }
    program.close().await;
}

#[tokio::test]
async fn a_reply_that_is_cut_says_so_and_probabilities_are_told_with_the_words() {
    let program = Program::open(&["one two three"]).await;
    let body = asked(&json!({"max_tokens": 2, "logprobs": true, "top_logprobs": 1}));
    let answer = settled(program.ok(PATH, &body).await);
    insta::assert_json_snapshot!("chat_logprobs", answer["choices"]);
    let streamed = program.stream(PATH, &body).await;
    let told = streamed.lines().filter(|line| line.contains("\"logprobs\":{")).count();
    assert_eq!(told, 2, "{streamed}");
    program.close().await;
}

#[tokio::test]
async fn what_fails_at_once_has_a_status_and_what_fails_later_is_an_event() {
    let program = Program::open(&["!", "!", "one !"]).await;
    let body = asked(&json!({"stream": true}));
    let (status, answer) = program.post(PATH, &asked(&json!({}))).await;
    assert_eq!((status, &answer["error"]["code"]), (500, &json!("model_failed")));
    assert_eq!(program.post(PATH, &body).await.0, 500);
    insta::assert_snapshot!("chat_stream_failure", program.stream(PATH, &body).await);
    program.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_model() {
    let program = Program::stuck().await;
    let mut streaming =
        program.request(PATH, &asked(&json!({"stream": true}))).send().await.unwrap();
    streaming.chunk().await.unwrap().unwrap();
    assert_eq!(program.llm.live().count(), 1);
    drop(streaming);
    program.until_idle().await;
    let whole = program.request(PATH, &asked(&json!({})));
    let waiting = tokio::time::timeout(Duration::from_millis(200), whole.send());
    let (busy, ()) = tokio::join!(waiting, program.until_busy());
    assert!(busy.is_err());
    program.until_idle().await;
    program.close().await;
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_its_name() {
    let program = Program::open(&["x"]).await;
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]);
    for (extra, status, param) in [
        (json!({"model": "unknown"}), 404, json!("model")),
        (json!({"model": "whisper-1"}), 400, json!("model")),
        (json!({"messages": image}), 400, json!("messages[0].content[0].type")),
        (json!({"messages": "hi"}), 400, json!("messages")),
        (json!({"temperature": 9}), 400, json!("temperature")),
        (json!({"modalities": ["audio"]}), 400, json!("modalities")),
    ] {
        assert_eq!(program.refused(PATH, &asked(&extra)).await, (status, param), "{extra}");
    }
    let (_, param) = program.refused(PATH, &json!({"messages": []})).await;
    assert_eq!(param, "model");
    assert!(program.llm.asked().is_empty());
    program.close().await;
}
