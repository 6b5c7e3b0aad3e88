//! `/v1/responses`: chats whose answers are kept, so that a client sends only what is new.
//!
//! Shapes: <https://developers.openai.com/api/reference/resources/responses>, read November 2026.

mod background;
mod item;
mod list;
mod memory;
mod object;
mod order;
mod request;
pub(crate) mod socket;
mod told;

use std::time::Instant;

use axum::{
    Json,
    extract::{Extension, Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub(crate) use self::{background::Background, memory::Memory};
use self::{
    list::Page,
    object::is_open,
    order::{Lookup, Order},
    request::CreateResponse,
};
use super::{Api, body::Body, reply, sse};
use crate::{
    refusal::Refusal,
    router::{guard::Caller, intake::Meter},
};

/// `POST /v1/responses`: answers, at once, as it is made, or in the background.
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(meter): Extension<Meter>,
    Body(asked): Body<CreateResponse>,
) -> Result<Response, Refusal> {
    let (stream, in_background) = (asked.is_streamed(), asked.is_in_background());
    if stream && in_background {
        let message = "what runs in the background is not streamed here: ask for it by its id";
        return Err(Refusal::unsupported("stream", message));
    }
    let owner = caller.cache_salt();
    let mut order = read(&api, owner, asked, None)?;
    if order.is_stored() {
        order.keepers.push(api.memory.clone());
    }
    if in_background {
        return Ok(Json(background::start(&api, order, meter)?).into_response());
    }
    let (pieces, narration) = order.begin(meter);
    if stream {
        let events = reply::told(reply::begun(pieces).await?, narration);
        return Ok(sse::answer(sse::Style::Typed, events));
    }
    Ok(Json(narration.whole(pieces).await?).into_response())
}

/// `POST /v1/responses/input_tokens`: how long a request is, without answering it.
pub(crate) async fn count(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<CreateResponse>,
) -> Result<Json<Value>, Refusal> {
    let order = read(&api, caller.cache_salt(), asked, None)?;
    let (llm, chat) = (order.llm.model, order.chat);
    let counting = tokio::task::spawn_blocking(move || llm.count_tokens(&chat));
    let Some(tokens) = counting.await.ok().flatten() else {
        let message = "this model cannot tell without answering";
        return Err(Refusal::unsupported("model", message));
    };
    Ok(Json(json!({ "object": "response.input_tokens", "input_tokens": tokens })))
}

/// `GET /v1/responses/{id}`.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    if page.is_ok_and(|Query(page)| page.is_streamed()) {
        let message = "a kept response is not streamed again: leave out stream";
        return Err(Refusal::unsupported("stream", message));
    }
    Ok(Json(find(&api, caller, &id)?.response.clone()))
}

/// `DELETE /v1/responses/{id}`.
pub(crate) async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    find(&api, caller, &id)?;
    api.background.stop(&id);
    api.memory.remove(caller.cache_salt(), &id);
    Ok(Json(json!({ "id": id, "object": "response", "deleted": true })))
}

/// `POST /v1/responses/{id}/cancel`: stops what runs in the background.
pub(crate) async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let turn = find(&api, caller, &id)?;
    if turn.response["background"] != true {
        let message = "only responses that run in the background can be cancelled";
        return Err(Refusal::bad_param("response_id", message));
    }
    if is_open(&turn.response) {
        api.background.stop(&id);
        let cancelled = object::cancelled(turn.response.clone());
        api.memory.close(&id, cancelled, Vec::new());
    }
    Ok(Json(find(&api, caller, &id)?.response.clone()))
}

/// `GET /v1/responses/{id}/input_items`.
pub(crate) async fn input_items(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(page) = page.map_err(|e| Refusal::bad_request(e.body_text(), "invalid_query"))?;
    let turn = find(&api, caller, &id)?;
    page.list(turn.before.iter().chain(&turn.input)).map(Json)
}

fn find(api: &Api, caller: Caller, id: &str) -> Result<std::sync::Arc<memory::Turn>, Refusal> {
    api.memory.turn(Instant::now(), caller.cache_salt(), id).ok_or_else(|| {
        Refusal::not_found("response_id", format!("there is no response with the id '{id}'"))
    })
}

/// Checks a request against what this server has and remembers.
fn read(
    api: &Api,
    owner: u64,
    asked: CreateResponse,
    socket: Option<&Memory>,
) -> Result<Order, Refusal> {
    let name = asked.model.as_deref();
    let name = name.ok_or_else(|| Refusal::missing_param("model".to_owned()))?;
    let llm = api.directory.llm(api.served()?, name)?;
    let memories: Vec<_> = socket.into_iter().chain([&api.memory]).collect();
    asked.read(llm, &Lookup { memories, owner, now: Instant::now() })
}
