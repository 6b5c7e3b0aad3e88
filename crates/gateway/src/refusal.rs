//! Answers that say no, in the shape that OpenAI's clients read.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use trunkline_inference::ModelError;

use crate::{GatewayError, router::intake::Kind};

/// `{"error":{"message","type","param","code"}}`; `param` and `code` may be null.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<Cow<'static, str>>,
    code: Option<&'static str>,
    retry_after: Option<Duration>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
/// When a client that met a busy server may try again.
const BUSY_RETRY: Duration = Duration::from_secs(1);
/// When one that met a server which still loads its models may.
const LOADING_RETRY: Duration = Duration::from_secs(5);
/// When one that met a server which stops may: another one has taken over by then.
const STOPPING_RETRY: Duration = Duration::from_secs(5);

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), param: None, code: None, retry_after: None }
    }

    fn with(self, param: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The same about another parameter.
    pub(crate) fn about(self, param: &'static str) -> Self {
        self.with(param)
    }

    fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn bad_param(
        param: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::bad_request(message, "invalid_value").with(param)
    }

    pub(crate) fn bad_request(message: impl Into<String>, code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, message).coded(code)
    }

    /// Something that every request says and this one does not.
    pub(crate) fn missing_param(param: String) -> Self {
        let message = format!("the request does not say '{param}'");
        Self::bad_request(message, "missing_required_parameter").with(param)
    }

    /// A value that makes sense but that this server cannot honour.
    pub(crate) fn unsupported(
        param: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::bad_request(message, "unsupported_value").with(param)
    }

    pub(crate) fn no_such_call(name: &str) -> Self {
        let message = format!("no call has the id or SIP Call-ID '{name}'");
        Self::new(StatusCode::NOT_FOUND, INVALID, message).with("call_id").coded("call_not_found")
    }

    pub(crate) fn no_such_response(message: String) -> Self {
        Self::bad_request(message, "previous_response_not_found").with("previous_response_id")
    }

    pub(crate) fn no_such_model(name: &str) -> Self {
        let message =
            format!("the model '{name}' does not exist here: GET /v1/models lists those that do");
        Self::new(StatusCode::NOT_FOUND, INVALID, message).with("model").coded("model_not_found")
    }

    /// Something else that a path names and that is not here.
    pub(crate) fn not_found(param: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID, message).with(param).coded("not_found")
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
            .coded("invalid_api_key")
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        let message = format!("the request's body is longer than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, message).coded("request_too_large")
    }

    pub(crate) fn too_slow() -> Self {
        let message = "the server took too long to answer; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message).coded("timeout")
    }

    /// All that may be at work at once is.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { retry_after: Some(BUSY_RETRY), ..refusal.coded("rate_limit_exceeded") }
    }

    /// The models have no time for more than the calls in progress.
    pub(crate) fn overloaded(wait: Duration) -> Self {
        let message = "the models are busy with calls in progress; try again";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { retry_after: Some(wait), ..refusal.coded("rate_limit_exceeded") }
    }

    /// A key's requests or tokens of the minute are used up.
    pub(crate) fn over_limit(what: Kind, wait: Duration) -> Self {
        let what = match what {
            Kind::Requests => "requests",
            Kind::Tokens => "tokens",
        };
        let message = format!(
            "the limit of {what} a minute is reached: try again in {} ms",
            wait.as_millis().max(1)
        );
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, what, message);
        Self { retry_after: Some(wait), ..refusal.coded("rate_limit_exceeded") }
    }

    /// The server takes no more requests.
    pub(crate) fn stopping() -> Self {
        let message = "the server is stopping; try again";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        Self { retry_after: Some(STOPPING_RETRY), ..refusal.coded("server_stopping") }
    }

    pub(crate) fn loading() -> Self {
        let message = "the models are being loaded; try again in some seconds";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        Self { retry_after: Some(LOADING_RETRY), ..refusal.coded("models_loading") }
    }

    pub(crate) fn no_such_route(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID, message).coded("unknown_url")
    }

    pub(crate) fn wrong_method(message: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, message).coded("method_not_allowed")
    }

    /// `{"message","type","param","code"}`: the `error` of a body, of an SSE event or of a WebSocket one.
    pub(crate) fn error(&self) -> Value {
        json!({
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        })
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

/// The fallback for paths that are not routes.
pub(crate) async fn no_such_route(method: Method, uri: Uri) -> Refusal {
    Refusal::no_such_route(format!("no such route: {method} {}", uri.path()))
}

/// The fallback for routes that do not have the request's method.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::wrong_method(format!("{} does not allow {method}", uri.path()))
}

impl From<GatewayError> for Refusal {
    /// The reason is logged and not told: it names files of the server.
    fn from(error: GatewayError) -> Self {
        tracing::error!(%error, "a question to the call database failed");
        let message = "the call database did not answer; the server's log says why";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message).coded("store_unavailable")
    }
}

impl From<ModelError> for Refusal {
    /// What the client did wrong and that the engine is busy is told; other reasons are logged.
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::BadRequest(message) => Self::bad_request(message, "invalid_value"),
            ModelError::TooLong { .. } => {
                Self::bad_request(error.to_string(), "context_length_exceeded").with("messages")
            }
            ModelError::Busy { .. } => Self::busy("the model has no free slot; try again"),
            ModelError::Missing { .. }
            | ModelError::Corrupt { .. }
            | ModelError::Engine { .. }
            | ModelError::Stopped { .. } => {
                tracing::error!(%error, "a model failed while it served a request");
                let message = "the model failed; the server's log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, SERVER, message).coded("model_failed")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error() }));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection cannot serve another request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = self.retry_after {
            // OpenAI's clients read both, the finer first.
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
            headers.insert("retry-after-ms", ms.into());
        }
        response
    }
}
