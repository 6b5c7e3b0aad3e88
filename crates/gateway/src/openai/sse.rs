//! Server-sent events as OpenAI's clients read them: `data: JSON` and an empty line.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// How the events of an API are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Only data, and `data: [DONE]` at the end: chats and completions.
    Done,
    /// Only data: audio.
    Plain,
    /// Data with an `event:` line before, which repeats its `type`: responses.
    Typed,
}

/// An answer that tells events as they come. A failure is told as the last one, `{"error":{..}}`, which
/// both of OpenAI's clients raise. When the client goes away the stream is dropped, and with it the work.
pub(crate) fn answer(
    style: Style,
    events: impl Stream<Item = Result<Value, Refusal>> + Send + 'static,
) -> Response {
    let lines = events.map(move |event| match event {
        Ok(event) => line(style, &event),
        Err(refusal) => line(Style::Plain, &json!({ "error": refusal.error() })),
    });
    let end = (style == Style::Done).then(|| Bytes::from_static(b"data: [DONE]\n\n"));
    let body = lines.chain(stream::iter(end)).map(Ok::<_, std::convert::Infallible>);
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn line(style: Style, event: &Value) -> Bytes {
    let kind = event.get("type").and_then(Value::as_str).filter(|_| style == Style::Typed);
    let kind = kind.map(|kind| format!("event: {kind}\n")).unwrap_or_default();
    format!("{kind}data: {event}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(style: Style, events: Vec<Result<Value, Refusal>>) -> String {
        let body = answer(style, stream::iter(events)).into_body();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn events_are_lines_with_an_empty_one_after_each() {
        let events = || vec![Ok(json!({"type": "a", "x": "1\n2"})), Ok(json!({"y": 2}))];
        let plain = "data: {\"type\":\"a\",\"x\":\"1\\n2\"}\n\ndata: {\"y\":2}\n\n";
        assert_eq!(text(Style::Plain, events()).await, plain);
        assert_eq!(text(Style::Done, events()).await, format!("{plain}data: [DONE]\n\n"));
        assert_eq!(text(Style::Typed, events()).await, format!("event: a\n{plain}"));
    }

    #[tokio::test]
    async fn a_failure_on_the_way_is_the_last_event() {
        let text = text(Style::Plain, vec![Err(Refusal::busy("no slot"))]).await;
        assert!(text.starts_with(r#"data: {"error":{"message":"no slot","type":"rate_limit"#));
    }
}
