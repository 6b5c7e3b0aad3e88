//! `/v1/models`: what can be asked for.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde_json::{Value, json};

use super::Api;
use crate::refusal::Refusal;

/// `GET /v1/models`: the local models, and the names without `*` that stand for them.
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let served = api.served()?;
    let own = served.names().into_iter().map(|(name, _)| name.to_string());
    let aliases = api.directory.plain_names(served);
    let data: Vec<Value> = own.chain(aliases).map(|name| model(&name)).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// `GET /v1/models/{id}`: one of them; by any name that stands for it.
pub(crate) async fn show(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(name) = path.map_err(|e| Refusal::bad_request(e.body_text(), "invalid_path"))?;
    let found = api.directory.model(api.served()?, &name);
    found.map(|_| Json(model(&name))).ok_or_else(|| Refusal::no_such_model(&name))
}

/// As OpenAI's. When a local model was made is not known: 0.
fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "trunkline" })
}
