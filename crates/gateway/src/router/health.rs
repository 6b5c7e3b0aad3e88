//! `/health` and `/ready`: open to everyone, and telling operators more.

use std::time::Duration;

use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{Operator, guard::Caller};
use crate::readiness::Part;

/// How long the store may take to show that it answers.
const STORE_ANSWER: Duration = Duration::from_secs(1);

/// `GET /health`: 200 `{"status":"alive"}` while the process answers at all; operators also see
/// `version`.
pub(super) async fn health(Extension(caller): Extension<Caller>) -> Json<Value> {
    match caller {
        Caller::Operator => {
            Json(json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") }))
        }
        Caller::Anyone | Caller::Program(_) => Json(json!({ "status": "alive" })),
    }
}

/// `GET /ready`: 200 `{"status":"ready"}` when calls can be taken, else 503
/// `{"status":"not_ready"}`. Operators also see `checks`: for each part
/// `{"ready":true}` or `{"ready":false,"reason"}`.
pub(super) async fn ready(
    State(operator): State<Operator>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let mut parts = operator.readiness.parts();
    parts.insert("store", store_part(&operator).await);
    let ready = parts.values().all(|part| *part == Part::Ready);
    let (code, status) = if ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let body = match caller {
        Caller::Anyone | Caller::Program(_) => json!({ "status": status }),
        Caller::Operator => {
            let checks: Map<_, _> =
                parts.iter().map(|(&name, part)| (name.to_owned(), check(part))).collect();
            json!({ "status": status, "checks": checks })
        }
    };
    (code, Json(body)).into_response()
}

async fn store_part(operator: &Operator) -> Part {
    match timeout(STORE_ANSWER, operator.store.check_reachable()).await {
        Ok(Ok(())) => Part::Ready,
        Ok(Err(error)) => Part::NotReady(error.to_string()),
        Err(_) => Part::NotReady("the call database does not answer".to_owned()),
    }
}

fn check(part: &Part) -> Value {
    match part {
        Part::Ready => json!({ "ready": true }),
        Part::NotReady(reason) => json!({ "ready": false, "reason": reason }),
    }
}
