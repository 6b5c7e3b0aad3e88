//! `/admin/v1/calls`: the record of calls.

mod json;
mod question;

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
};
use serde_json::Value;
use tokio::time::timeout;
use trunkline_session::CallId;
use uuid::Uuid;

use super::Operator;
use crate::refusal::Refusal;
use question::Question;

/// How long an answer waits for entries on their way to the store. Past that it is given without.
const SETTLING: Duration = Duration::from_millis(500);

/// `GET /admin/v1/calls`: calls, the newest first.
///
/// Query, all optional: `from`, `to` (part of who called and was called, in any case), `outcome` (a
/// reason such as `caller_hung_up`, or `open`), `since` (RFC 3339, or seconds since 1970), `limit`
/// (1 to 200, default 50), `cursor` (`next_cursor` of the page before).
///
/// ```json
/// {"object":"list","data":[CALL, ...],"has_more":true,"next_cursor":"019..."}
/// ```
///
/// with `CALL` as in [`json::call`]. 400 for a parameter that is unknown or makes no sense.
pub(super) async fn list(
    State(operator): State<Operator>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(pairs) = query.map_err(|e| Refusal::bad_request(e.body_text(), "invalid_query"))?;
    let Question { filter, limit, before } = Question::parse(pairs)?;
    settle(&operator).await;
    // One more than asked for tells whether there are more.
    let mut calls = operator.store.calls(&filter, limit + 1, before).await?;
    let has_more = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    Ok(Json(json::page(&calls, has_more)))
}

/// `GET /admin/v1/calls/{call_id}`: one call, by its id or by its SIP Call-ID.
///
/// The shape is that of [`json::record`]. 404 when there is no such call.
pub(super) async fn show(
    State(operator): State<Operator>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(name) = path.map_err(|e| Refusal::bad_request(e.body_text(), "invalid_path"))?;
    settle(&operator).await;
    // Many telephones use UUIDs as Call-IDs, so what looks like our id may be theirs.
    let own = Uuid::parse_str(&name).map(CallId).ok();
    if let Some(id) = own
        && let Some(record) = operator.store.call(id).await?
    {
        return Ok(Json(json::record(&record)));
    }
    let record = match operator.store.call_with_wire_id(&name).await? {
        Some(id) => operator.store.call(id).await?,
        None => None,
    };
    record.map(|record| Json(json::record(&record))).ok_or_else(|| Refusal::no_such_call(&name))
}

/// Lets what happened before the question into the answer.
async fn settle(operator: &Operator) {
    match timeout(SETTLING, operator.journal.settle()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "answering from the call database alone"),
        Err(_) => tracing::debug!("the journal is behind; answering from the call database alone"),
    }
}
