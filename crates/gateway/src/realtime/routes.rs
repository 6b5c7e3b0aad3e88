//! `/v1/realtime` and the requests for ephemeral keys.

use axum::{
    Json,
    extract::{
        Extension, Query, State,
        ws::{WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    desk::{Realtime, Wanted, unix_now},
    fault::Fault,
    ids::Ids,
    legacy, outbox, secrets,
    settings::{Settings, wire::Kind},
    socket,
};
use crate::{
    Operator,
    openai::{Api, body::Body},
    refusal::Refusal,
    router::{
        guard::{Caller, PROTOCOL, shown_key, unknown_key},
        intake::Meter,
    },
};

/// Seconds for which an ephemeral key is valid unless the client says how long, and the least and the
/// most that it may say. OpenAI's.
const KEY_SECONDS: i64 = 600;
const SHORTEST_KEY: i64 = 10;
const LONGEST_KEY: i64 = 7200;

/// How a client connects.
#[derive(Debug, Deserialize)]
pub(crate) struct Connect {
    model: Option<String>,
    intent: Option<String>,
    call_id: Option<String>,
}

/// `GET /v1/realtime`: becomes a WebSocket. The key may be a program's own, or an ephemeral one.
pub(crate) async fn connect(
    State(operator): State<Operator>,
    Extension(caller): Extension<Caller>,
    Query(connect): Query<Connect>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let api = operator.api.clone();
    let wanted = match shown_key(&headers).filter(|key| key.starts_with(secrets::PREFIX)) {
        Some(key) => api.realtime.secrets.find(unix_now(), key),
        None if caller == Caller::Anyone => None,
        None => Some((caller, wanted(&api, &connect)?)),
    };
    let Some((payer, settings)) = wanted else {
        operator.metrics.auth_failed();
        return Err(unknown_key(&headers));
    };
    let meter = Meter::new(operator.intake.clone(), payer);
    meter.open_session()?;
    let upgrade = upgrade
        .map_err(|rejection| Refusal::bad_request(rejection.body_text(), "websocket_expected"))?;
    let mut upgrade =
        upgrade.max_message_size(socket::MESSAGE_BYTES).max_frame_size(socket::MESSAGE_BYTES);
    // The key that may stand beside it is not shown again.
    if upgrade.requested_protocols().any(|asked| asked == PROTOCOL) {
        upgrade.set_selected_protocol(HeaderValue::from_static(PROTOCOL));
    }
    let has_room = meter.has_room_for_session();
    Ok(match api.realtime.enter().filter(|_| has_room) {
        Some(place) => upgrade.on_upgrade(|socket| talk(socket, api, settings, meter, place)),
        None => upgrade.on_upgrade(|socket| {
            let message = "as many sessions as this server may have are under way; try again";
            let fault = Fault::server("session_limit_reached", message);
            turn_away(socket, fault)
        }),
    })
}

fn wanted(api: &Api, connect: &Connect) -> Result<Settings, Refusal> {
    if connect.call_id.is_some() {
        let message = "sessions cannot be attached to calls: leave call_id out";
        return Err(Refusal::unsupported("call_id", message));
    }
    let kind = match connect.intent.as_deref() {
        None | Some("conversation" | "realtime") => Kind::Realtime,
        Some("transcription") => Kind::Transcription,
        Some(other) => {
            return Err(Refusal::bad_param("intent", format!("there is no intent '{other}'")));
        }
    };
    api.realtime.settings(Wanted { kind, model: connect.model.as_deref() })
}

async fn talk(
    socket: WebSocket,
    api: Api,
    settings: Settings,
    meter: Meter,
    place: OwnedSemaphorePermit,
) {
    let (frames, incoming) = mpsc::channel(socket::INCOMING);
    let (outbox, outlet) = outbox::new();
    if let Err(refusal) = api.realtime.start(settings, meter, incoming, outbox) {
        return turn_away(socket, Fault::from_refusal(&refusal, "model")).await;
    }
    socket::carry(socket, frames, outlet).await;
    drop(place);
}

async fn turn_away(socket: WebSocket, fault: Fault) {
    /// RFC 6455 has no code for it; the registry's 1013 is "try again later".
    const TRY_AGAIN: u16 = 1013;
    let event_id = Ids::random().next("event");
    let event = json!({ "type": "error", "event_id": event_id, "error": fault.json(None) });
    socket::turn_away(socket, event.to_string(), TRY_AGAIN).await;
}

/// `POST /v1/realtime/client_secrets`.
#[derive(Debug, Deserialize)]
pub(crate) struct SecretWanted {
    expires_after: Option<ExpiresAfter>,
    #[serde(default)]
    session: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct ExpiresAfter {
    anchor: Option<String>,
    seconds: Option<i64>,
}

/// An ephemeral key for a session as it is described.
pub(crate) async fn client_secrets(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<SecretWanted>,
) -> Result<Json<Value>, Refusal> {
    let settings = api.realtime.described(&wanted.session)?;
    let seconds = lifetime(wanted.expires_after.as_ref())?;
    let issued = issue(&api.realtime, caller, settings, seconds)?;
    Ok(Json(json!({
        "value": issued.key, "expires_at": issued.expires_at, "session": issued.session,
    })))
}

/// `POST /v1/realtime/sessions`: the same as before the API's release.
pub(crate) async fn sessions(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(flat): Body<Map<String, Value>>,
) -> Result<Response, Refusal> {
    issue_flat(&api, caller, &flat, "realtime")
}

/// `POST /v1/realtime/transcription_sessions`: likewise.
pub(crate) async fn transcription_sessions(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(flat): Body<Map<String, Value>>,
) -> Result<Response, Refusal> {
    issue_flat(&api, caller, &flat, "transcription")
}

fn issue_flat(
    api: &Api,
    caller: Caller,
    flat: &Map<String, Value>,
    kind: &str,
) -> Result<Response, Refusal> {
    let settings = api.realtime.described(&legacy::session(flat, kind)?)?;
    let issued = issue(&api.realtime, caller, settings, KEY_SECONDS)?;
    let shown = legacy::flat(&issued.session, &issued.key, issued.expires_at);
    Ok(Json(shown).into_response())
}

fn lifetime(wanted: Option<&ExpiresAfter>) -> Result<i64, Refusal> {
    let Some(wanted) = wanted else { return Ok(KEY_SECONDS) };
    if wanted.anchor.as_deref().is_some_and(|anchor| anchor != "created_at") {
        return Err(Refusal::bad_param("expires_after.anchor", "the anchor is created_at"));
    }
    let seconds = wanted.seconds.unwrap_or(KEY_SECONDS);
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&seconds) {
        let message = format!("a key is valid for {SHORTEST_KEY} to {LONGEST_KEY} seconds");
        return Err(Refusal::bad_param("expires_after.seconds", message));
    }
    Ok(seconds)
}

struct Issued {
    key: String,
    expires_at: i64,
    session: Value,
}

fn issue(
    realtime: &Realtime,
    caller: Caller,
    settings: Settings,
    seconds: i64,
) -> Result<Issued, Refusal> {
    let now = unix_now();
    let expires_at = now.saturating_add(seconds);
    let session = settings.json(&Ids::random().session(), 0);
    let key = realtime.secrets.issue(now, expires_at, caller, settings);
    let key = key.ok_or_else(|| Refusal::busy("too many ephemeral keys are valid; try again"))?;
    Ok(Issued { key, expires_at, session })
}
