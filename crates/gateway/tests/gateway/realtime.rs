//! Realtime clients over real sockets.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};
use trunkline_gateway::{
    ApiConfig, GatewayConfig, KeyDigest, Observers, RealtimeDesk,
    openai::{Named, Served},
};
use trunkline_session::{Agent, Sessions};
use trunkline_testkit::fake_models;

use crate::world::Face;

/// Longer than any answer takes here.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_is_shown_its_session_and_may_change_it() {
    let house = House::open(ApiConfig::default()).await;
    let mut client = house.connect("?model=gpt-realtime", &[]).await.unwrap();
    let created = client.next().await;
    assert_eq!(created["type"], "session.created");
    assert_eq!(created["session"]["model"], "gpt-realtime");
    assert_eq!(created["session"]["instructions"], "Be brief.");
    client.send(json!({"type": "session.update", "session": {"instructions": "Sing."}})).await;
    let updated = client.next().await;
    assert_eq!(updated["type"], "session.updated");
    assert_eq!(updated["session"]["instructions"], "Sing.");
    client.close().await;
    house.close().await;
}

#[tokio::test]
async fn what_is_wrong_is_answered_and_the_session_lives() {
    let house = House::open(ApiConfig::default()).await;
    let mut client = house.connect("", &[]).await.unwrap();
    assert_eq!(client.next().await["type"], "session.created");
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.next().await["error"]["code"], "invalid_json");
    client.send(json!({"type": "nonsense", "event_id": "mine"})).await;
    assert_eq!(client.next().await["error"]["event_id"], "mine");
    let audio = STANDARD.encode([0; 4800]);
    client.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
    client.send(json!({"type": "input_audio_buffer.clear"})).await;
    assert_eq!(client.next().await["type"], "input_audio_buffer.cleared");
    client.close().await;
    house.close().await;
}

#[tokio::test]
async fn a_thousand_malformed_events_leave_the_session_alive() {
    let house = House::open(ApiConfig::default()).await;
    let mut client = house.connect("", &[]).await.unwrap();
    assert_eq!(client.next().await["type"], "session.created");
    let mut refused = 0;
    for n in 0..1000 {
        client.socket.send(Message::text(malformed(n))).await.unwrap();
        // Answered one by one: a client that does not read is hung up on.
        let told = client.next().await;
        assert_eq!(told["type"], "error", "{n}: {} was answered by {told}", malformed(n));
        refused += 1;
    }
    assert_eq!(refused, 1000);
    client.send(json!({"type": "session.update", "session": {"instructions": "Sing."}})).await;
    assert_eq!(client.next().await["session"]["instructions"], "Sing.");
    client.close().await;
    house.close().await;
}

/// The `n`th event that no client should send.
fn malformed(n: usize) -> String {
    let nested = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let values = [json!(-1), json!([]), json!({"a": 1}), json!(true), nested, json!(1.0e300)];
    let value = &values[n / 13 % values.len()];
    let id = format!("event_{n}");
    let event = match n % 13 {
        0 => return ["", "{", "[]", "null", "\"x\"", "{\"type\":5}"][n / 13 % 6].to_owned(),
        1 => json!({"type": "session.destroy", "x": value}),
        2 => json!({"type": "session.update", "session": value}),
        3 => json!({"type": "session.update", "session": {"audio": {"input": {"format": value}}}}),
        4 => json!({"type": "session.update", "session": {"tools": [value]}}),
        5 => json!({"type": "input_audio_buffer.append", "audio": value}),
        6 => json!({"type": "input_audio_buffer.append", "audio": "\u{0}no base64"}),
        7 => json!({"type": "input_audio_buffer.commit"}),
        8 => json!({"type": "conversation.item.create", "item": value}),
        9 => json!({"type": "conversation.item.delete", "item_id": format!("item_{n}")}),
        10 => {
            json!({"type": "conversation.item.truncate", "item_id": value, "audio_end_ms": value})
        }
        11 => json!({"type": "response.create", "response": {"output_modalities": value}}),
        _ => json!({"type": "response.create", "response": {"input": [value]}}),
    };
    let mut event = event;
    event["event_id"] = json!(id);
    event.to_string()
}

#[tokio::test]
async fn a_transcription_session_is_asked_for_by_its_intent() {
    let house = House::open(ApiConfig::default()).await;
    for query in [
        "?intent=transcription",
        "?intent=transcription&model=gpt-4o-transcribe",
        "?intent=transcription&model=gpt-realtime",
    ] {
        let mut client = house.connect(query, &[]).await.unwrap();
        assert_eq!(client.next().await["session"]["type"], "transcription", "{query}");
        client.close().await;
    }
    house.close().await;
}

#[tokio::test]
async fn who_shows_no_key_and_asks_for_what_is_not_there_is_refused_before_the_socket_opens() {
    let house = House::open(keyed(64)).await;
    for (query, headers, status) in [
        ("", &[("origin", "https://page.example")][..], 401),
        ("", &[("x-forwarded-for", "203.0.113.7")], 401),
        ("", &[("x-forwarded-for", "203.0.113.7"), ("authorization", "Bearer wrong")], 401),
        ("", &[("authorization", "Bearer ek_wrong")], 401),
        ("?model=nothing", &[], 404),
        ("?model=whisper-1", &[], 400),
        ("?intent=dance", &[], 400),
        ("?call_id=rtc_1", &[], 400),
    ] {
        let refused = house.connect(query, headers).await.err();
        assert_eq!(refused, Some(status), "{query} {headers:?}");
    }
    let (status, body) = house.face.json("/v1/realtime").await;
    assert_eq!((status, &body["error"]["code"]), (400, &"websocket_expected".into()));
    house.close().await;
}

#[tokio::test]
async fn a_browser_shows_its_key_among_the_protocols() {
    let house = House::open(keyed(64)).await;
    let far = ("origin", "https://page.example");
    let protocols = ("sec-websocket-protocol", "realtime, openai-insecure-api-key.secret");
    let mut client = house.connect("", &[far, protocols]).await.unwrap();
    assert_eq!(client.protocol.as_deref(), Some("realtime"), "the key is not shown again");
    assert_eq!(client.next().await["type"], "session.created");
    client.close().await;
    house.close().await;
}

#[tokio::test]
async fn an_ephemeral_key_opens_the_session_that_it_was_issued_for() {
    let house = House::open(keyed(64)).await;
    let session = json!({"type": "realtime", "model": "gpt-realtime", "instructions": "Rhyme."});
    let asked =
        json!({"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session});
    let issued = house.post("/v1/realtime/client_secrets", &asked).await;
    assert_eq!(issued["session"]["instructions"], "Rhyme.");
    assert!(issued["expires_at"].as_i64().unwrap() > 1_700_000_000);
    let key = issued["value"].as_str().unwrap();
    let far = ("origin", "https://page.example");
    let protocols = format!("realtime, openai-insecure-api-key.{key}");
    let headers = [far, ("sec-websocket-protocol", protocols.as_str())];
    let mut client = house.connect("?model=gpt-realtime", &headers).await.unwrap();
    assert_eq!(client.next().await["session"]["instructions"], "Rhyme.");
    client.close().await;
    let flat = json!({"model": "gpt-realtime", "modalities": ["audio", "text"], "voice": "fake"});
    let issued = house.post("/v1/realtime/sessions", &flat).await;
    let key = issued["client_secret"]["value"].as_str().unwrap();
    assert!(key.starts_with("ek_"));
    assert_eq!(issued["voice"], "fake");
    let headers = [far, ("authorization", &*format!("Bearer {key}"))];
    let listing = house.face.get("/v1/models").header("origin", far.1).bearer_auth(key);
    assert_eq!(listing.send().await.unwrap().status(), 401, "it opens nothing else");
    house.connect("", &headers).await.unwrap().close().await;
    let issued = house.post("/v1/realtime/transcription_sessions", &json!({})).await;
    assert_eq!(issued["object"], "realtime.transcription_session");
    for (asked, param) in [
        (json!({"expires_after": {"seconds": 5}}), "expires_after.seconds"),
        (json!({"expires_after": {"anchor": "now"}}), "expires_after.anchor"),
        (json!({"session": {"type": "x"}}), "session.type"),
        (json!({"session": {"audio": {"output": {"voice": "x"}}}}), "session.audio.output.voice"),
    ] {
        let refused = house.post("/v1/realtime/client_secrets", &asked).await;
        assert_eq!(refused["error"]["param"], param);
    }
    house.close().await;
}

#[tokio::test]
async fn sessions_are_paid_for_by_the_key_that_they_were_opened_with_or_issued_to() {
    let house = House::open(ApiConfig { requests_per_minute: 3, ..keyed(64) }).await;
    let key = house.post("/v1/realtime/client_secrets", &json!({})).await["value"].clone();
    let (own, issued) = ("Bearer secret".to_owned(), format!("Bearer {}", key.as_str().unwrap()));
    for shown in [&own, &issued] {
        house.connect("", &[("authorization", shown)]).await.unwrap().close().await;
    }
    for shown in [&own, &issued] {
        assert_eq!(house.connect("", &[("authorization", shown)]).await.err(), Some(429));
    }
    house.connect("", &[]).await.unwrap().close().await;
    house.close().await;
}

#[tokio::test]
async fn one_session_too_many_is_told_to_try_again() {
    let house = House::open(keyed(1)).await;
    let mut first = house.connect("", &[]).await.unwrap();
    assert_eq!(first.next().await["type"], "session.created");
    let mut second = house.connect("", &[]).await.unwrap();
    assert_eq!(second.next().await["error"]["code"], "session_limit_reached");
    assert_eq!(second.end().await, Some(1013));
    first.close().await;
    house.close().await;
}

#[tokio::test]
async fn clients_are_told_that_the_server_stops() {
    let house = House::open(ApiConfig::default()).await;
    let mut client = house.connect("", &[]).await.unwrap();
    assert_eq!(client.next().await["type"], "session.created");
    let ((), told) = tokio::join!(house.sessions.drain(Duration::ZERO), client.next());
    assert_eq!(told["error"]["code"], "server_shutdown");
    assert_eq!(client.end().await, Some(1001));
    house.close().await;
}

/// A key, and room for so many sessions.
fn keyed(sessions: u32) -> ApiConfig {
    ApiConfig {
        key_sha256: vec![KeyDigest::of("secret")],
        max_realtime_sessions: sessions,
        ..ApiConfig::default()
    }
}

/// A gateway whose Realtime desk is open, with the testkit's models.
struct House {
    face: Face,
    sessions: Arc<Sessions>,
    _dir: TempDir,
}

impl House {
    async fn open(api: ApiConfig) -> Self {
        let dir = TempDir::new().unwrap();
        let config = GatewayConfig { bind: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
        let face = Face::open_for_programs(dir.path(), &config, &api).await;
        let models = fake_models();
        let sessions = Arc::new(Sessions::new(Arc::new(Observers::new(Vec::new()))));
        face.api.serve(Served {
            llm: Named::new("local-llm", Arc::clone(&models.llm)),
            stt: Named::new("local-stt", Arc::clone(&models.stt)),
            tts: Named::new("local-tts", Arc::clone(&models.tts)),
            embedder: None,
            speakers: None,
            vad: Arc::clone(&models.vad),
        });
        let agent = Agent { instructions: "Be brief.".into(), ..Agent::default() };
        let desk = RealtimeDesk { sessions: Arc::clone(&sessions), models, agent };
        face.api.open_realtime(desk);
        Self { face, sessions, _dir: dir }
    }

    /// A client, or the status of the answer that opened no socket.
    async fn connect(&self, query: &str, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        let url = format!("ws://{}/v1/realtime{query}", self.face.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|name| name.to_str().unwrap().to_owned());
                Ok(Client { socket, protocol })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.face.address);
        let request = self.face.client.post(url).bearer_auth("secret").json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn close(self) {
        self.sessions.drain(Duration::ZERO).await;
        self.face.close().await;
    }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    protocol: Option<String>,
}

impl Client {
    async fn send(&mut self, event: Value) {
        self.socket.send(Message::text(event.to_string())).await.unwrap();
    }

    /// The next event.
    async fn next(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if let Message::Text(text) = &frame {
                return serde_json::from_str(text).unwrap();
            }
            assert!(frame.is_ping() || frame.is_pong(), "{frame:?}");
        }
    }

    /// The code that the server ends with.
    async fn end(&mut self) -> Option<u16> {
        loop {
            if let Message::Close(frame) = self.frame().await {
                return frame.map(|CloseFrame { code, .. }| code.into());
            }
        }
    }

    async fn frame(&mut self) -> Message {
        let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        frame.expect("the server answers").expect("the socket is open").unwrap()
    }

    async fn close(mut self) {
        self.socket.close(None).await.unwrap();
    }
}
