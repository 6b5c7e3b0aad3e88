//! `/v1/responses` as a WebSocket.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use trunkline_gateway::ApiConfig;
use trunkline_testkit::ScriptedLlm;

use crate::program::{Program, Seen};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(program: &Program) -> Self {
        let url = format!("ws://{}/v1/responses", program.face.address);
        Self(connect_async(url).await.unwrap().0)
    }

    async fn send(&mut self, event: &Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    async fn create(&mut self, extra: Value) {
        let mut event = json!({"type": "response.create", "model": "gpt-4.1"});
        for (key, value) in extra.as_object().unwrap().clone() {
            event[key] = value;
        }
        self.send(&event).await;
    }

    async fn event(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    /// Events up to the last one of a response, or an error.
    async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let kind = event["type"].as_str().unwrap();
            let is_last = ["completed", "failed", "incomplete", "error"]
                .iter()
                .any(|end| kind.ends_with(end));
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    /// The response that the last of its events holds.
    async fn response(&mut self) -> Value {
        self.events().await.pop().unwrap()["response"].clone()
    }
}

#[tokio::test]
async fn the_events_are_those_of_a_stream_with_the_clients_stream_id() {
    let program = Program::open(&["At nine."]).await;
    let mut client = Client::open(&program).await;
    client.create(json!({"input": "What time?", "stream_id": "a"})).await;
    let mut seen = Seen::default();
    let events: Vec<_> =
        client.events().await.into_iter().map(|event| seen.settle(event).to_string()).collect();
    insta::assert_snapshot!("socket_events", events.join("\n"));
    program.close().await;
}

#[tokio::test]
async fn requests_are_answered_one_after_another() {
    let program = Program::open(&["one", "two", "three"]).await;
    let mut client = Client::open(&program).await;
    for stream_id in ["a", "b", "c"] {
        client.create(json!({"input": "x", "stream_id": stream_id})).await;
    }
    for (stream_id, text) in [("a", "one"), ("b", "two"), ("c", "three")] {
        let events = client.events().await;
        assert!(events.iter().all(|event| event["stream_id"] == stream_id));
        let last = &events.last().unwrap()["response"]["output"][0]["content"][0];
        assert_eq!(last["text"], text);
    }
    program.close().await;
}

#[tokio::test]
async fn a_socket_remembers_what_is_not_to_be_kept_and_others_do_not() {
    let program = Program::open(&["one", "two"]).await;
    let (mut own, mut other) = (Client::open(&program).await, Client::open(&program).await);
    own.create(json!({"input": "first", "store": false})).await;
    let id = own.response().await["id"].clone();
    let next = json!({"input": "second", "store": false, "previous_response_id": id});
    other.create(next.clone()).await;
    let error = other.event().await;
    assert_eq!(error["error"]["code"], "previous_response_not_found");
    own.create(next).await;
    assert_eq!(own.response().await["status"], "completed");
    let said: Vec<_> =
        program.llm.asked()[1].messages.iter().map(|message| message.content.clone()).collect();
    assert_eq!(said, ["first", "one", "second"]);
    program.close().await;
}

#[tokio::test]
async fn a_request_that_generates_nothing_has_the_prompt_read_ahead() {
    let program = Program::open(&["one"]).await;
    let mut client = Client::open(&program).await;
    client.create(json!({"input": "first", "generate": false})).await;
    let ahead = client.response().await;
    assert_eq!((&ahead["status"], &ahead["output"]), (&json!("completed"), &json!([])));
    assert_eq!(program.llm.warmed().len(), 1);
    client.create(json!({"input": "second", "previous_response_id": ahead["id"]})).await;
    client.response().await;
    assert_eq!(program.llm.asked()[0].messages.len(), 2);
    program.close().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_socket_stays_open() {
    let program = Program::open(&["one"]).await;
    let mut client = Client::open(&program).await;
    let mut seen = Vec::new();
    for text in ["{", "[]", r#"{"type":"response.steer"}"#, r#"{"model":"scripted"}"#] {
        client.0.send(Message::text(text)).await.unwrap();
        seen.push(client.event().await);
    }
    client.0.send(Message::binary(vec![1])).await.unwrap();
    seen.push(client.event().await);
    for extra in [
        json!({"input": "x", "model": "other", "stream_id": "a"}),
        json!({"input": "x", "background": true}),
        json!({"input": [{"type": "message"}]}),
    ] {
        client.create(extra).await;
        seen.push(client.event().await);
    }
    insta::assert_json_snapshot!("socket_errors", seen);
    client.create(json!({"input": "x"})).await;
    assert_eq!(client.response().await["status"], "completed");
    program.close().await;
}

#[tokio::test]
async fn only_so_many_requests_wait_at_a_socket() {
    let program = Program::stuck().await;
    let mut client = Client::open(&program).await;
    for _ in 0..10 {
        client.create(json!({"input": "x"})).await;
    }
    let error = loop {
        let event = client.event().await;
        if event["type"] == "error" {
            break event;
        }
    };
    assert_eq!(
        (&error["status"], &error["error"]["code"]),
        (&json!(429), &json!("rate_limit_exceeded"))
    );
    program.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_model() {
    let program = Program::stuck().await;
    let mut client = Client::open(&program).await;
    client.create(json!({"input": "x"})).await;
    program.until_busy().await;
    drop(client);
    program.until_idle().await;
    program.close().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_socket_and_a_plain_get_is_refused() {
    let program = Program::open(&["one"]).await;
    let (status, refusal) = program.face.json("/v1/responses").await;
    assert_eq!((status, &refusal["error"]["code"]), (400, &json!("websocket_expected")));
    let url = format!("ws://{}/v1/responses", program.face.address);
    let config = WebSocketConfig::default();
    let connected = tokio_tungstenite::connect_async_with_config(url, Some(config), false).await;
    let mut client = Client(connected.unwrap().0);
    let long = "x".repeat(9 * 1024 * 1024);
    drop(client.0.send(Message::text(long)).await);
    assert!(!matches!(client.0.next().await, Some(Ok(Message::Text(_)))));
    program.close().await;
}

#[tokio::test]
async fn what_a_socket_asks_for_counts_as_requests_do() {
    // The socket's opening is one of them.
    let api = ApiConfig { requests_per_minute: 2, ..ApiConfig::default() };
    let llm = ScriptedLlm::new(&["One."], Duration::ZERO, Duration::ZERO);
    let program = Program::open_limited(llm, &api).await;
    let mut client = Client::open(&program).await;
    client.create(json!({"input": "x", "stream_id": "a"})).await;
    assert_eq!(client.response().await["status"], "completed");
    client.create(json!({"input": "y", "stream_id": "b"})).await;
    let refused = client.event().await;
    assert_eq!((&refused["status"], &refused["stream_id"]), (&json!(429), &json!("b")));
    let (status, _) = program.face.json("/v1/models").await;
    assert_eq!(status, 429);
    program.close().await;
}

#[tokio::test]
async fn a_server_that_drains_answers_what_a_socket_asked_and_says_goodbye() {
    let slow = Duration::from_millis(300);
    let llm = ScriptedLlm::new(&["One two."], slow, Duration::ZERO);
    let program = Program::open_with(llm).await;
    let (mut idle, mut busy) = (Client::open(&program).await, Client::open(&program).await);
    busy.create(json!({"input": "x"})).await;
    program.until_busy().await;
    let drained = program.face.intake.drain();
    let (response, ()) = tokio::join!(busy.response(), drained);
    assert_eq!(response["status"], "completed");
    for client in [&mut idle, &mut busy] {
        let code = loop {
            if let Message::Close(frame) = client.0.next().await.unwrap().unwrap() {
                break frame.map(|frame| u16::from(frame.code));
            }
        };
        assert_eq!(code, Some(1001));
    }
    program.close().await;
}
