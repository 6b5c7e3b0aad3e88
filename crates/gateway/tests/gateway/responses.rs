//! `/v1/responses` over a real socket.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_inference::{Role, TextFormat};

use crate::program::{Program, settled};

const PATH: &str = "/v1/responses";

fn said(program: &Program, number: usize) -> Vec<(Role, String)> {
    let chat = program.llm.asked().remove(number);
    chat.messages.into_iter().map(|message| (message.role, message.content)).collect()
}

fn weather() -> Value {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!([{"type": "function", "name": "weather", "parameters": city, "strict": true}])
}

#[tokio::test]
async fn a_response_says_what_was_asked_and_answered() {
    let program = Program::open(&["At nine o'clock."]).await;
    let body = json!({
        "model": "gpt-4.1", "input": "What time?", "instructions": "Be brief.",
        "metadata": {"case": "7"}, "temperature": 0.7, "tools": weather(),
    });
    let answer = program.ok(PATH, &body).await;
    let id = answer["id"].as_str().unwrap().to_owned();
    insta::assert_json_snapshot!("response", settled(answer.clone()));
    let (status, kept) = program.face.json(&format!("{PATH}/{id}")).await;
    assert_eq!((status, kept), (200, answer));
    assert_eq!(
        said(&program, 0),
        [(Role::System, "Be brief.".into()), (Role::User, "What time?".into())]
    );
    program.close().await;
}

#[tokio::test]
async fn a_response_is_told_as_it_is_made() {
    let program = Program::open(&[r#"Wait. [weather{"city":"Oslo"}]"#, "one !"]).await;
    let body = json!({"model": "gpt-4.1", "input": "How is the weather?", "tools": weather()});
    insta::assert_snapshot!("response_stream", program.stream(PATH, &body).await);
    insta::assert_snapshot!("response_stream_failure", program.stream(PATH, &body).await);
    program.close().await;
}

#[tokio::test]
async fn probabilities_and_formats_are_asked_of_the_model() {
    let program = Program::open(&["one two"]).await;
    let schema = json!({"type": "object"});
    let body = json!({
        "model": "scripted", "input": "x", "include": ["message.output_text.logprobs"],
        "top_logprobs": 1, "max_output_tokens": 1,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
    });
    let answer = settled(program.ok(PATH, &body).await);
    insta::assert_json_snapshot!(
        "response_incomplete",
        json!({
            "status": answer["status"], "incomplete_details": answer["incomplete_details"],
            "output": answer["output"], "text": answer["text"],
        })
    );
    assert_eq!(program.llm.asked()[0].options.format, TextFormat::JsonSchema(schema));
    program.close().await;
}

#[tokio::test]
async fn a_client_goes_on_from_a_response_with_only_what_is_new() {
    let program = Program::open(&["[weather]", "It rains.", "Yes."]).await;
    let body = json!({"model": "scripted", "input": "How is it?", "instructions": "A", "tools": weather()});
    let first = program.ok(PATH, &body).await;
    let call = &first["output"][0];
    assert_eq!(call["type"], "function_call");
    let result =
        json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}]);
    let second = json!({"model": "scripted", "input": result, "previous_response_id": first["id"]});
    let second = program.ok(PATH, &second).await;
    let reference = json!({"type": "item_reference", "id": second["output"][0]["id"]});
    let third = json!({
        "model": "scripted", "previous_response_id": second["id"],
        "input": [reference, {"role": "user", "content": "Sure?"}],
    });
    program.ok(PATH, &third).await;
    let expected = [
        (Role::User, "How is it?"),
        (Role::Assistant, ""),
        (Role::Tool, "rain"),
        (Role::Assistant, "It rains."),
        (Role::Assistant, "It rains."),
        (Role::User, "Sure?"),
    ];
    assert_eq!(said(&program, 2), expected.map(|(role, text)| (role, text.to_owned())));
    let list = format!("{PATH}/{}/input_items?order=asc", second["id"].as_str().unwrap());
    insta::assert_json_snapshot!("response_input_items", settled(program.face.json(&list).await.1));
    program.close().await;
}

#[tokio::test]
async fn what_is_not_to_be_kept_or_was_deleted_is_gone() {
    let program = Program::open(&["x"]).await;
    let ask = async |store: bool| {
        let answer =
            program.ok(PATH, &json!({"model": "scripted", "input": "x", "store": store})).await;
        format!("{PATH}/{}", answer["id"].as_str().unwrap())
    };
    let (passing, kept) = (ask(false).await, ask(true).await);
    assert_eq!(program.face.json(&passing).await.0, 404);
    assert_eq!(program.face.json(&kept).await.0, 200);
    let url = format!("http://{}{kept}", program.face.address);
    let deleted: Value =
        program.face.client.delete(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(deleted["deleted"], true);
    let (status, refusal) = program.face.json(&kept).await;
    assert_eq!((status, &refusal["error"]["param"]), (404, &json!("response_id")));
    let id = kept.rsplit('/').next().unwrap();
    let next = json!({"model": "scripted", "input": "x", "previous_response_id": id});
    let (status, answer) = program.post(PATH, &next).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("previous_response_not_found")));
    program.close().await;
}

#[tokio::test]
async fn a_response_in_the_background_can_be_polled() {
    let program = Program::open(&["done at last", "one !"]).await;
    let body = json!({"model": "scripted", "input": "x", "background": true});
    for (status, text) in [("completed", json!("done at last")), ("failed", json!("one "))] {
        let queued = program.ok(PATH, &body).await;
        assert_eq!((&queued["status"], &queued["output"]), (&json!("queued"), &json!([])));
        let path = format!("{PATH}/{}", queued["id"].as_str().unwrap());
        let ended = loop {
            let (_, response) = program.face.json(&path).await;
            if response["status"] != "in_progress" {
                break response;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        assert_eq!(ended["status"], status);
        assert_eq!(ended["output"][0]["content"][0]["text"], text);
    }
    program.close().await;
}

#[tokio::test]
async fn only_what_runs_in_the_background_is_cancelled_and_its_model_stops() {
    let program = Program::stuck().await;
    let body = json!({"model": "scripted", "input": "x", "background": true});
    let queued = program.ok(PATH, &body).await;
    let id = queued["id"].as_str().unwrap();
    program.until_busy().await;
    let early = json!({"model": "scripted", "input": "x", "previous_response_id": id});
    assert_eq!(program.refused(PATH, &early).await, (400, json!("previous_response_id")));
    let cancel = format!("{PATH}/{id}/cancel");
    assert_eq!(program.ok(&cancel, &json!({})).await["status"], "cancelled");
    program.until_idle().await;
    assert_eq!(program.ok(&cancel, &json!({})).await["status"], "cancelled");
    let (status, _) = program.refused(&format!("{PATH}/resp_none/cancel"), &json!({})).await;
    assert_eq!(status, 404);
    program.close().await;

    let program = Program::open(&["x"]).await;
    let kept = program.ok(PATH, &json!({"model": "scripted", "input": "x"})).await;
    let cancel = format!("{PATH}/{}/cancel", kept["id"].as_str().unwrap());
    assert_eq!(program.refused(&cancel, &json!({})).await, (400, json!("response_id")));
    program.close().await;
}

#[tokio::test]
async fn only_so_many_run_in_the_background() {
    let program = Program::stuck().await;
    let body = json!({"model": "scripted", "input": "x", "background": true});
    for _ in 0..16 {
        program.ok(PATH, &body).await;
    }
    assert_eq!(program.post(PATH, &body).await.0, 429);
    program.close().await;
}

#[tokio::test]
async fn a_request_is_measured_without_being_answered() {
    let program = Program::open(&["x"]).await;
    let body = json!({"model": "scripted", "input": "one two", "instructions": "three"});
    let count = program.ok(&format!("{PATH}/input_tokens"), &body).await;
    assert_eq!(count, json!({"object": "response.input_tokens", "input_tokens": 3}));
    assert!(program.llm.asked().is_empty());
    program.close().await;
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_by_its_name() {
    let program = Program::open(&["x"]).await;
    let image = json!([{"role": "user", "content": [{"type": "input_image"}]}]);
    for (extra, param) in [
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"input": image}), "input[0].content[0].type"),
        (json!({"input": null}), "input"),
        (json!({"model": null}), "model"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"stream": true, "background": true}), "stream"),
        (json!({"store": false, "background": true}), "store"),
        (json!({"text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"text": {"format": {"type": "json_schema", "schema": 1}}}), "text.format.schema"),
        (json!({"truncation": "middle"}), "truncation"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
    ] {
        let mut body = json!({"model": "scripted", "input": "x"});
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert_eq!(program.refused(PATH, &body).await, (400, json!(param)), "{body}");
    }
    program.close().await;
}
