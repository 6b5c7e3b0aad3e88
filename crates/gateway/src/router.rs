//! Every route of the HTTP face.

mod calls;
mod cors;
pub(crate) mod guard;
mod health;
pub(crate) mod intake;
mod unread;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRef, State},
    http::header,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{
    About, GatewayConfig, Journal, Metrics, Readiness, Store,
    openai::{self, Api, responses},
    realtime, refusal,
};
pub use guard::Access;
pub use intake::Intake;

/// How long a client may pause while it sends a body.
const SENDING_TIME: Duration = Duration::from_secs(30);

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
    /// Serves programs.
    pub api: Api,
    /// Takes their requests in.
    pub intake: Intake,
    /// What runs here.
    pub about: Arc<About>,
}

impl FromRef<Operator> for Api {
    fn from_ref(operator: &Operator) -> Self {
        operator.api.clone()
    }
}

/// The routes, for a server bound and keyed as `config` says.
pub fn router(operator: Operator, config: &GatewayConfig) -> Router {
    let access = Access::new(config, &operator.api.config, operator.metrics.clone());
    let for_operators = Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/v1/about", get(about))
        .route("/admin/v1/calls", get(calls::list))
        .route("/admin/v1/calls/{call_id}", get(calls::show))
        .route_layer(middleware::from_fn_with_state(access.clone(), guard::require_key))
        .layer(middleware::from_fn(guard::limit));
    let uploads = DefaultBodyLimit::max(openai::audio::body_limit(&operator.api.config));
    let for_uploads = Router::new()
        .route("/v1/audio/transcriptions", post(openai::audio::transcriptions::transcribe))
        .route("/v1/audio/translations", post(openai::audio::transcriptions::translate))
        .layer(uploads);
    let for_programs = Router::new()
        .route("/v1/models", get(openai::models::list))
        .route("/v1/models/{id}", get(openai::models::show))
        .route("/v1/chat/completions", post(openai::chat::create))
        .route("/v1/completions", post(openai::completions::create))
        .route("/v1/embeddings", post(openai::embeddings::create))
        .route("/v1/moderations", post(openai::moderations::create))
        .route("/v1/responses", post(responses::create).get(responses::socket::open))
        .route("/v1/responses/input_tokens", post(responses::count))
        .route("/v1/responses/{id}", get(responses::show).delete(responses::delete))
        .route("/v1/responses/{id}/cancel", post(responses::cancel))
        .route("/v1/responses/{id}/input_items", get(responses::input_items))
        .route("/v1/realtime/client_secrets", post(realtime::routes::client_secrets))
        .route("/v1/realtime/sessions", post(realtime::routes::sessions))
        .route(
            "/v1/realtime/transcription_sessions",
            post(realtime::routes::transcription_sessions),
        )
        .route("/v1/audio/speech", post(openai::audio::speech::speak))
        .merge(for_uploads)
        // Here rather than below: browsers ask with OPTIONS, which no route has, and `cors` answers.
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(DefaultBodyLimit::max(openai::body::JSON_BYTES))
        .route_layer(middleware::from_fn_with_state(operator.intake.clone(), intake::take_in))
        .route_layer(middleware::from_fn_with_state(access.clone(), guard::require_api_key))
        .layer(cors::layer(&operator.api.config));
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .layer(middleware::from_fn(guard::limit))
        .merge(for_operators)
        .merge(for_programs)
        // Asks for the key itself: browsers show it elsewhere, and it may be an ephemeral one.
        .route("/v1/realtime", get(realtime::routes::connect))
        .fallback(refusal::no_such_route)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(middleware::from_fn_with_state(access, guard::recognize))
        .layer(middleware::from_fn(unread::take_in_the_rest))
        .layer(RequestBodyTimeoutLayer::new(SENDING_TIME))
        .layer(middleware::from_fn(guard::trace))
        .with_state(operator)
}

/// `GET /admin/v1/about`: what runs here, by its hashes, and on what machine.
async fn about(State(operator): State<Operator>) -> Json<About> {
    Json(About::clone(&operator.about))
}

/// `GET /metrics`: all figures in the `OpenMetrics` text format.
async fn metrics(State(operator): State<Operator>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], operator.metrics.text()).into_response()
}
