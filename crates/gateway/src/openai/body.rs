//! JSON bodies of requests.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;

/// The longest JSON body, bytes. Uploads have a limit of their own.
pub(crate) const JSON_BYTES: usize = 8 * 1024 * 1024;

/// A JSON body. What is wrong with one is told with the field's path as `param`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|e| refuse(&e))?;
        parse(&bytes).map(Self)
    }
}

/// Reads JSON.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if let Some(field) = missing_field(&inner) {
            let param = if path == "." { field } else { format!("{path}.{field}") };
            return Refusal::missing_param(param);
        }
        if !inner.is_data() || path.starts_with(['.', '[']) {
            let message = format!("the body is not the JSON that is expected: {inner}");
            return Refusal::bad_request(message, "invalid_json");
        }
        Refusal::bad_param(path, inner.to_string())
    })?;
    json.end().map_err(|error| {
        Refusal::bad_request(format!("there is more than one JSON value: {error}"), "invalid_json")
    })?;
    Ok(value)
}

/// The field that is not there, where that is what is wrong.
fn missing_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("missing field `")?;
    rest.split_once('`').map(|(field, _)| field.to_owned())
}

fn refuse(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::too_large(JSON_BYTES as u64);
    }
    Refusal::bad_request(format!("the body cannot be read: {rejection}"), "invalid_body")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[expect(dead_code, reason = "only read")]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only read")]
        count: u32,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let refusal = |text: &str| parse::<Asked>(text.as_bytes()).unwrap_err().error();
        assert_eq!(refusal(r#"{"items":[{"count":1},{"count":"x"}]}"#)["param"], "items[1].count");
        assert_eq!(refusal(r#"{"items":[{"count":-1}]}"#)["param"], "items[0].count");
        assert_eq!(refusal(r#"{"items":[{}]}"#)["param"], "items[0].count");
        assert_eq!(refusal("{}")["param"], "items");
        for broken in ["", "{", "[1]", r#"{"items":[]} x"#, "\u{feff}{}"] {
            let error = refusal(broken);
            assert_eq!(error["code"], "invalid_json", "{broken}: {error}");
            assert!(error["param"].is_null());
        }
        assert!(parse::<Asked>(br#"{"items":[],"unknown":1}"#).is_ok());
    }
}
