//! `/v1/embeddings` over a real socket.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::program::Program;

const PATH: &str = "/v1/embeddings";

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn texts_become_vectors() {
    let program = Program::open(&[]).await;
    let body = json!({"model": "text-embedding-3-small", "input": ["one two", "three"]});
    let mut answer = program.ok(PATH, &body).await;
    for entry in answer["data"].as_array_mut().unwrap() {
        let vector = floats(&entry["embedding"]);
        assert_eq!(vector.len(), 8);
        let length: f32 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-5);
        entry["embedding"] = json!("8 numbers");
    }
    insta::assert_json_snapshot!("embeddings", answer);
    program.close().await;
}

#[tokio::test]
async fn base64_holds_the_very_same_numbers() {
    let program = Program::open(&[]).await;
    let ask = async |format: &str| {
        let body = json!({"model": "fake-embedder", "input": "one", "encoding_format": format});
        program.ok(PATH, &body).await["data"][0]["embedding"].clone()
    };
    let bytes = STANDARD.decode(ask("base64").await.as_str().unwrap()).unwrap();
    let numbers: Vec<f32> =
        bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(numbers, floats(&ask("float").await));
    program.close().await;
}

#[tokio::test]
async fn a_shortened_vector_is_the_beginning_made_as_long_as_one() {
    let program = Program::open(&[]).await;
    let ask = async |dimensions: usize| {
        let body = json!({"model": "fake-embedder", "input": "one two", "dimensions": dimensions});
        floats(&program.ok(PATH, &body).await["data"][0]["embedding"])
    };
    let (whole, short) = (ask(8).await, ask(3).await);
    let factor = short[0] / whole[0];
    assert_eq!(short.len(), 3);
    for (short, whole) in short.iter().zip(&whole) {
        assert!((short - whole * factor).abs() < 1e-5);
    }
    assert!((short.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-5);
    program.close().await;
}

#[tokio::test]
async fn tokens_are_read_as_the_texts_they_stand_for() {
    let program = Program::open(&[]).await;
    let ask = async |input: Value| {
        let body = json!({"model": "fake-embedder", "input": input});
        program.ok(PATH, &body).await["data"][0]["embedding"].clone()
    };
    assert_eq!(ask(json!([15339, 1917])).await, ask(json!("hello world")).await);
    program.close().await;
}

#[tokio::test]
async fn what_cannot_be_embedded_is_refused_by_its_name() {
    let program = Program::open(&[]).await;
    let long = "word ".repeat(600);
    for (body, status, param) in [
        (json!({"model": "gpt-4o", "input": "a"}), 400, json!("model")),
        (json!({"model": "other", "input": "a"}), 404, json!("model")),
        (json!({"model": "fake-embedder", "input": ""}), 400, json!("input")),
        (
            json!({"model": "fake-embedder", "input": "a", "dimensions": 9}),
            400,
            json!("dimensions"),
        ),
        (
            json!({"model": "fake-embedder", "input": "a", "encoding_format": "int8"}),
            400,
            json!("encoding_format"),
        ),
        (json!({"model": "fake-embedder", "input": long}), 400, json!(null)),
    ] {
        assert_eq!(program.refused(PATH, &body).await, (status, param), "{body}");
    }
    program.close().await;
}
