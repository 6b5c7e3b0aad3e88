//! A call over the Realtime API, as a client of it makes one: sound goes up in pieces of 20 ms; what comes
//! down is played at its own pace, and thrown away when the caller is heard.

mod playing;

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt as _, StreamExt as _, stream::SplitStream};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message, Utf8Bytes, client::IntoClientRequest as _, http::HeaderValue,
        protocol::CloseFrame,
    },
};
use trunkline_audio::g711;
use trunkline_turn::Digit;

use self::playing::Playing;
use crate::{
    call::{Arrival, Wire},
    config,
};

/// Where an API key is looked for.
pub(super) const KEY_VARIABLE: &str = "TRUNKLINE_API_KEY";
/// Messages on their way up, two seconds. When full the caller's sound is dropped, as on a line that
/// cannot carry it.
const OUTGOING: usize = 100;
/// How long it may take until the session exists.
const OPENING: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is no call.
#[derive(Debug)]
pub(super) enum NoCall {
    /// The server has no room: its HTTP status, or the code that it closed with.
    Refused(u16),
    /// Anything else.
    Failed(String),
}

/// A session in progress. Dropping it ends it.
pub(super) struct RealtimeCall {
    id: String,
    incoming: SplitStream<Socket>,
    outgoing: mpsc::Sender<Message>,
    playing: Playing,
    ticks: Interval,
    received: u64,
    _writer: JoinSet<()>,
}

impl RealtimeCall {
    /// Opens a session at `url` that hears and speaks G.711.
    pub(super) async fn open(url: &str) -> Result<Self, NoCall> {
        timeout(OPENING, Self::begin(url))
            .await
            .unwrap_or_else(|_| Err(NoCall::Failed("the session was not opened in time".into())))
    }

    async fn begin(url: &str) -> Result<Self, NoCall> {
        let mut request = url.into_client_request().map_err(failed)?;
        if let Some(key) = config::variable(KEY_VARIABLE) {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}")).map_err(failed)?;
            request.headers_mut().insert("authorization", bearer);
        }
        let (socket, _) = connect_async(request).await.map_err(refused)?;
        let (mut up, mut incoming) = socket.split();
        let id = created(&mut incoming).await?;
        up.send(text(&settings())).await.map_err(failed)?;
        let (outgoing, mut queue) = mpsc::channel(OUTGOING);
        let mut writer = JoinSet::new();
        writer.spawn(async move {
            while let Some(message) = queue.recv().await {
                if up.send(message).await.is_err() {
                    return;
                }
            }
        });
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (playing, received) = (Playing::default(), 0);
        Ok(Self { id, incoming, outgoing, playing, ticks, received, _writer: writer })
    }

    /// What the server calls the session.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Pieces of 20 ms that were played.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes an event of the server.
    fn take(&mut self, event: &Value) {
        match event["type"].as_str() {
            Some("response.output_audio.delta") => {
                let sound = event["delta"].as_str().and_then(|delta| STANDARD.decode(delta).ok());
                let item = event["item_id"].as_str().unwrap_or_default();
                self.playing.add(item, &sound.unwrap_or_default());
            }
            Some("input_audio_buffer.speech_started") => {
                let Some((item, heard)) = self.playing.stop() else { return };
                let truncate = json!({
                    "type": "conversation.item.truncate",
                    "item_id": item,
                    "content_index": 0,
                    "audio_end_ms": heard.as_millis(),
                });
                self.send(&truncate);
            }
            _ => {}
        }
    }

    fn send(&self, event: &Value) -> bool {
        self.outgoing.try_send(text(event)).is_ok()
    }
}

impl Wire for RealtimeCall {
    async fn recv(&mut self) -> Arrival {
        loop {
            tokio::select! {
                biased;
                message = self.incoming.next() => match message {
                    Some(Ok(Message::Text(event))) => {
                        if let Ok(event) = serde_json::from_str(&event) {
                            self.take(&event);
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Arrival::End,
                },
                _ = self.ticks.tick() => {
                    let Some(sound) = self.playing.next() else { continue };
                    self.received += 1;
                    let samples = sound.iter().map(|&byte| g711::decode_ulaw(byte)).collect();
                    return Arrival::Sound { arrived: Instant::now(), samples };
                }
            }
        }
    }

    fn send_frame(&mut self, samples: &[i16]) -> Option<Instant> {
        let sound: Vec<u8> = samples.iter().map(|&s| g711::encode_ulaw(s)).collect();
        let append = json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(sound)});
        self.send(&append).then(Instant::now)
    }

    /// Clients of this API have no keys.
    fn press(&mut self, _: Digit) {}
}

/// Waits for the session; its id.
async fn created(incoming: &mut SplitStream<Socket>) -> Result<String, NoCall> {
    while let Some(message) = incoming.next().await {
        match message.map_err(refused)? {
            Message::Text(event) => {
                let event: Value = serde_json::from_str(&event).map_err(failed)?;
                if let Some(id) = event["session"]["id"].as_str() {
                    return Ok(id.to_owned());
                }
            }
            Message::Close(Some(CloseFrame { code, .. })) => {
                return Err(NoCall::Refused(code.into()));
            }
            Message::Close(None) => break,
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
    }
    Err(NoCall::Failed("the server closed the session at once".into()))
}

/// G.711 both ways, as on the telephone.
fn settings() -> Value {
    let format = json!({"format": {"type": "audio/pcmu"}});
    json!({
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": format, "output": format}},
    })
}

fn text(event: &Value) -> Message {
    Message::Text(Utf8Bytes::from(event.to_string()))
}

fn refused(error: tungstenite::Error) -> NoCall {
    if let tungstenite::Error::Http(response) = &error {
        return NoCall::Refused(response.status().as_u16());
    }
    failed(error)
}

fn failed(error: impl std::fmt::Display) -> NoCall {
    NoCall::Failed(error.to_string())
}
