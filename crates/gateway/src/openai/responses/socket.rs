//! `GET /v1/responses` as a WebSocket: one response after another, each as the events that a stream has.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{
    extract::{
        Extension, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures::{FutureExt, Stream, StreamExt, stream, stream::BoxStream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{CreateResponse, Memory, read};
use crate::{
    openai::{Api, body, reply},
    refusal::Refusal,
    router::{guard::Caller, intake::Meter},
};

/// Sockets at once. More are refused with 429.
const SOCKETS: usize = 64;
/// Requests that wait on a socket for the one before to end. More are answered with an error.
const WAITING: usize = 8;
/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// How many times in a row it may fail to answer.
const UNANSWERED: u32 = 2;
/// How long a client may take to make room for an event.
const SEND_TIME: Duration = Duration::from_secs(30);

/// Room for sockets. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Sockets(Arc<Semaphore>);

impl Default for Sockets {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SOCKETS)))
    }
}

/// Opens a socket.
pub(crate) async fn open(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(meter): Extension<Meter>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|rejection| {
        let message = format!("a GET of this path opens a WebSocket: {}", rejection.body_text());
        Refusal::bad_request(message, "websocket_expected")
    })?;
    let Ok(room) = Arc::clone(&api.sockets.0).try_acquire_owned() else {
        return Err(Refusal::busy(format!("{SOCKETS} sockets are open; try again")));
    };
    let talk = Talk { api, owner: caller.cache_salt(), memory: Memory::default(), meter };
    Ok(upgrade.max_message_size(body::JSON_BYTES).on_upgrade(|socket| async move {
        talk.run(socket).await;
        drop(room);
    }))
}

/// What a client sends: `response.create` with what a request has, flat.
#[derive(Deserialize)]
struct Envelope {
    r#type: Option<String>,
}

/// A client at a socket.
#[derive(Clone)]
struct Talk {
    api: Api,
    owner: u64,
    /// Responses that are kept only while the socket is open.
    memory: Memory,
    meter: Meter,
}

type Events = BoxStream<'static, Value>;

/// The answer to a request.
struct Telling {
    events: Events,
    /// Counts it as being at work.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Talk {
    /// Until the client goes away, which stops the model.
    async fn run(self, mut socket: WebSocket) {
        let mut waiting: VecDeque<Value> = VecDeque::new();
        let mut telling: Option<Telling> = None;
        let mut unanswered = 0;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if telling.is_none() {
                telling = waiting.pop_front().map(|asked| self.tell(asked));
            }
            let sent = tokio::select! {
                message = socket.recv() => {
                    unanswered = 0;
                    match heard(message, &mut waiting) {
                        Heard::Fine => true,
                        Heard::Bad(refusal) => send(&mut socket, &refused(&refusal, None)).await,
                        Heard::Gone => false,
                    }
                }
                event = next(&mut telling) => if let Some(event) = event {
                    send(&mut socket, &event).await
                } else {
                    telling = None;
                    true
                },
                // What was asked for before is answered; what comes later is refused.
                () = self.meter.closed(), if telling.is_none() && waiting.is_empty() => {
                    return say_goodbye(socket).await;
                }
                _ = ping.tick() => {
                    unanswered += 1;
                    unanswered <= UNANSWERED + 1 && write(&mut socket, Message::Ping("".into())).await
                }
            };
            if !sent {
                return;
            }
        }
    }

    /// Lets a request in, or says why not.
    fn tell(&self, asked: Value) -> Telling {
        let stream_id = asked["stream_id"].as_str().map(str::to_owned);
        match self.meter.admit() {
            Ok(permit) => Telling { events: self.events(asked, stream_id), _permit: Some(permit) },
            Err(refusal) => {
                let event = refused(&refusal, stream_id.as_deref());
                Telling { events: stream::iter([event]).boxed(), _permit: None }
            }
        }
    }

    /// The events of a request; the model begins when they are first asked for.
    fn events(&self, asked: Value, stream_id: Option<String>) -> Events {
        let talk = self.clone();
        let told = async move {
            match talk.begin(asked).await {
                Ok(events) => events.boxed(),
                Err(refusal) => stream::iter([Err(refusal)]).boxed(),
            }
        };
        let events = told.into_stream().flatten();
        events
            .map(move |event| match event {
                Ok(mut event) => {
                    if let Some(id) = &stream_id {
                        event["stream_id"] = json!(id);
                    }
                    event
                }
                Err(refusal) => refused(&refusal, stream_id.as_deref()),
            })
            .boxed()
    }

    async fn begin(
        self,
        asked: Value,
    ) -> Result<impl Stream<Item = Result<Value, Refusal>> + Send + 'static, Refusal> {
        let asked: CreateResponse = body::parse(asked.to_string().as_bytes())?;
        if asked.is_in_background() {
            let message = "what is asked for at a socket does not run in the background";
            return Err(Refusal::unsupported("background", message));
        }
        let mut order = read(&self.api, self.owner, asked, Some(&self.memory))?;
        order.keepers.push(if order.is_stored() { self.api.memory } else { self.memory });
        let (pieces, narration) = order.begin(self.meter);
        Ok(reply::told(reply::begun(pieces).await?, narration))
    }
}

/// The server stops (RFC 6455, section 7.4.1).
async fn say_goodbye(mut socket: WebSocket) {
    let reason = "the server is stopping".into();
    let close = CloseFrame { code: close_code::AWAY, reason };
    write(&mut socket, Message::Close(Some(close))).await;
}

/// What to make of what a client sent.
enum Heard {
    Fine,
    Bad(Refusal),
    Gone,
}

fn heard(message: Option<Result<Message, axum::Error>>, waiting: &mut VecDeque<Value>) -> Heard {
    let admitted = match message {
        Some(Ok(Message::Text(text))) => admit(waiting, &text),
        Some(Ok(Message::Binary(_))) => {
            Err(Refusal::bad_request("events are JSON texts", "invalid_json"))
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Gone,
    };
    admitted.map_or_else(Heard::Bad, |()| Heard::Fine)
}

/// Lets a request wait for its turn.
fn admit(waiting: &mut VecDeque<Value>, text: &str) -> Result<(), Refusal> {
    let asked: Value = body::parse(text.as_bytes())?;
    let envelope: Envelope = body::parse(text.as_bytes())?;
    match envelope.r#type.as_deref() {
        Some("response.create") if waiting.len() < WAITING => {
            waiting.push_back(asked);
            Ok(())
        }
        Some("response.create") => {
            Err(Refusal::busy(format!("{WAITING} requests are waiting at this socket")))
        }
        other => {
            let named = other.unwrap_or_default();
            let message =
                format!("there is no event of the type '{named}' here: response.create is");
            Err(Refusal::unsupported("type", message))
        }
    }
}

/// The next event of what is told; never, while nothing is.
async fn next(telling: &mut Option<Telling>) -> Option<Value> {
    match telling {
        Some(telling) => telling.events.next().await,
        None => std::future::pending().await,
    }
}

/// An `error` event. The socket stays open after it.
fn refused(refusal: &Refusal, stream_id: Option<&str>) -> Value {
    let mut event = json!({
        "type": "error", "status": refusal.status().as_u16(), "error": refusal.error(),
        "sequence_number": 0,
    });
    if let Some(id) = stream_id {
        event["stream_id"] = json!(id);
    }
    event
}

async fn send(socket: &mut WebSocket, event: &Value) -> bool {
    write(socket, Message::Text(event.to_string().into())).await
}

/// Whether the client took it in time.
async fn write(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND_TIME, socket.send(message)).await, Ok(Ok(())))
}
