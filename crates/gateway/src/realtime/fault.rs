//! What a client is told when an event of it cannot be carried out.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::refusal::Refusal;

/// The `error` of an `error` event. The session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: &'static str,
    code: Cow<'static, str>,
    message: String,
    param: Option<String>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl Fault {
    /// Something else that the client asked and that cannot be.
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: INVALID, code: code.into(), message: message.into(), param: None }
    }

    /// A value that makes no sense.
    pub(crate) fn value(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid("invalid_value", message).at(param)
    }

    /// A value that makes sense but that this server cannot honour.
    pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid("unsupported_value", message).at(param)
    }

    /// Something of ours that failed.
    pub(crate) fn server(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: SERVER, code: code.into(), message: message.into(), param: None }
    }

    /// The same, about this parameter.
    #[must_use]
    pub(crate) fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The same as an answer to a request, told about this parameter.
    pub(crate) fn into_refusal(self) -> Refusal {
        match self.param {
            Some(param) => Refusal::bad_param(param, self.message),
            None => Refusal::bad_request(self.message, "invalid_request"),
        }
    }

    /// What HTTP would have answered, as the fault of this parameter.
    pub(crate) fn from_refusal(refusal: &Refusal, param: &str) -> Self {
        let error = refusal.error();
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        Self {
            kind: INVALID,
            code: text("code").into(),
            message: text("message"),
            param: Some(param.to_owned()),
        }
    }

    /// As JSON, with the id of the client's event that it answers.
    pub(crate) fn json(&self, event_id: Option<&str>) -> Value {
        json!({
            "type": self.kind, "code": self.code, "message": self.message, "param": self.param,
            "event_id": event_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_event_and_the_parameter() {
        let fault = Fault::value("session.audio.output.voice", "no such voice");
        assert_eq!(
            fault.json(Some("event_1")),
            json!({
                "type": "invalid_request_error", "code": "invalid_value",
                "message": "no such voice", "param": "session.audio.output.voice",
                "event_id": "event_1",
            })
        );
        assert!(Fault::server("model_failed", "x").json(None)["event_id"].is_null());
    }

    #[test]
    fn what_http_would_have_answered_keeps_its_code() {
        let fault = Fault::from_refusal(&Refusal::no_such_model("x"), "session.model");
        assert_eq!(fault.json(None)["code"], "model_not_found");
        assert_eq!(fault.into_refusal().error()["param"], "session.model");
    }
}
