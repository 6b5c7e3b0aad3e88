//! `POST /v1/chat/completions`: a chat continued, whole or as it is made.
//!
//! Shapes: <https://developers.openai.com/api/reference/resources/chat>, read November 2026.

mod answer;
mod chunks;
mod message;
mod request;

use axum::{
    Json,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};

use self::{answer::Answer, chunks::Chunks, request::CreateChat};
use super::{Api, body::Body, reply, sse};
use crate::{
    refusal::Refusal,
    router::{guard::Caller, intake::Meter},
};

/// Continues a chat. A client that goes away stops the model.
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(meter): Extension<Meter>,
    Body(asked): Body<CreateChat>,
) -> Result<Response, Refusal> {
    let llm = api.directory.llm(api.served()?, &asked.model)?;
    let order = asked.read(caller.cache_salt())?;
    let answer = Answer::new(&llm.name, order.form);
    let (chats, one_call) = (order.chats, order.one_call);
    let count = chats.len();
    let pieces = reply::all(chats, move |chat| {
        let reply = llm.model.reply(chat);
        if one_call { reply::one_call(reply) } else { reply }
    });
    let pieces = reply::metered(pieces, meter);
    match order.streaming {
        None => {
            let replies = reply::collect(pieces, count).await?;
            Ok(Json(answer.whole(replies)).into_response())
        }
        Some(streaming) => {
            let chunks = Chunks::new(answer, streaming, count);
            let events = reply::told(reply::begun(pieces).await?, chunks);
            Ok(sse::answer(sse::Style::Done, events))
        }
    }
}
