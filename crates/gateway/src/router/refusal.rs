//! Answers that say no, in the shape that OpenAI's clients read.

use axum::{
    Json,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::GatewayError;

/// `{"error":{"message","type","param","code"}}`; `param` and `code` may be null.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

const INVALID: &str = "invalid_request_error";

impl Refusal {
    pub(super) fn bad_param(param: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        let message = message.into();
        Self { status, kind: INVALID, message, param: Some(param), code: Some("invalid_value") }
    }

    pub(super) fn bad_request(message: impl Into<String>, code: &'static str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, kind: INVALID, message: message.into(), param: None, code: Some(code) }
    }

    pub(super) fn no_such_call(name: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: INVALID,
            message: format!("no call has the id or SIP Call-ID '{name}'"),
            param: Some("call_id"),
            code: Some("call_not_found"),
        }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: "authentication_error",
            message: message.to_owned(),
            param: None,
            code: Some("invalid_api_key"),
        }
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            kind: INVALID,
            message: format!("the request's body is longer than {limit} bytes"),
            param: None,
            code: Some("request_too_large"),
        }
    }

    pub(super) fn too_slow() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "server_error",
            message: "the server took too long to answer; try again".to_owned(),
            param: None,
            code: Some("timeout"),
        }
    }
}

/// The fallback for paths that are not routes.
pub(super) async fn no_such_route(method: Method, uri: Uri) -> Refusal {
    Refusal {
        status: StatusCode::NOT_FOUND,
        kind: INVALID,
        message: format!("no such route: {method} {}", uri.path()),
        param: None,
        code: Some("unknown_url"),
    }
}

/// The fallback for routes that do not have the request's method.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        kind: INVALID,
        message: format!("{} does not allow {method}", uri.path()),
        param: None,
        code: Some("method_not_allowed"),
    }
}

impl From<GatewayError> for Refusal {
    /// The reason is logged and not told: it names files of the server.
    fn from(error: GatewayError) -> Self {
        tracing::error!(%error, "a question to the call database failed");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "server_error",
            message: "the call database did not answer; the server's log says why".to_owned(),
            param: None,
            code: Some("store_unavailable"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, kind, message, param, code } = self;
        let error = json!({ "message": message, "type": kind, "param": param, "code": code });
        let body = Json(json!({ "error": error }));
        if status == StatusCode::UNAUTHORIZED {
            return (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response();
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection cannot serve another request.
            return (status, [(header::CONNECTION, "close")], body).into_response();
        }
        (status, body).into_response()
    }
}
