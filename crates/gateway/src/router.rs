//! Every route of the HTTP face.

mod calls;
mod guard;
mod health;
mod refusal;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::header,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{GatewayConfig, Journal, Metrics, Readiness, Store};
pub use guard::Access;
use refusal::Refusal;

/// What the routes work with. Cloning shares it.
#[derive(Clone)]
pub struct Operator {
    /// Knows the calls.
    pub store: Arc<dyn Store>,
    /// Knows what the store will know in a moment.
    pub journal: Journal,
    /// Knows the figures.
    pub metrics: Metrics,
    /// Knows which parts are ready.
    pub readiness: Readiness,
}

/// The routes, for a server bound and keyed as `config` says.
pub fn router(operator: Operator, config: &GatewayConfig) -> Router {
    let access = Access::new(config, operator.metrics.clone());
    let for_operators = Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/v1/calls", get(calls::list))
        .route("/admin/v1/calls/{call_id}", get(calls::show))
        .route_layer(middleware::from_fn_with_state(access.clone(), guard::require_key));
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .merge(for_operators)
        .fallback(refusal::no_such_route)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(middleware::from_fn(guard::limit))
        .layer(middleware::from_fn_with_state(access, guard::recognize))
        .layer(middleware::from_fn(guard::trace))
        .with_state(operator)
}

/// `GET /metrics`: all figures in the `OpenMetrics` text format.
async fn metrics(State(operator): State<Operator>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], operator.metrics.text()).into_response()
}
