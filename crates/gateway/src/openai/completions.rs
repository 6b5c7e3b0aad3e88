//! `POST /v1/completions`: texts continued, as old clients ask for it.

mod answer;
mod request;

use axum::{
    Json,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};

use self::{answer::Answer, request::CreateCompletion};
use super::{Api, body::Body, reply, sse};
use crate::{
    refusal::Refusal,
    router::{guard::Caller, intake::Meter},
};

/// Continues texts. A client that goes away stops the model.
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(meter): Extension<Meter>,
    Body(asked): Body<CreateCompletion>,
) -> Result<Response, Refusal> {
    let llm = api.directory.llm(api.served()?, &asked.model)?;
    let order = asked.read(caller.cache_salt())?;
    let count = order.completions.len();
    let answer = Answer::new(&llm.name, &order);
    let pieces = reply::all(order.completions, move |text| llm.model.complete(text));
    let pieces = reply::metered(pieces, meter);
    if order.streaming.is_none() {
        let replies = reply::collect(pieces, count).await?;
        return Ok(Json(answer.whole(replies)).into_response());
    }
    let events = reply::told(reply::begun(pieces).await?, answer);
    Ok(sse::answer(sse::Style::Done, events))
}
