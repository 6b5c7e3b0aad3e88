//! Finds the session description in a message's body, which may be one part of several.

use std::borrow::Cow;

/// Parts beyond these are not looked at.
const MAX_PARTS: usize = 16;

/// The session description in `body`, whose `Content-Type` is `content_type`; `None` when it has
/// none. Knows `application/sdp` and `multipart/*` with such a part (RFC 5621, as SIP-I trunks send).
pub fn description_in<'a>(content_type: Option<&str>, body: &'a [u8]) -> Option<Cow<'a, str>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let content_type = content_type.unwrap_or("application/sdp");
    let kind = media_type(content_type);
    if kind.eq_ignore_ascii_case("application/sdp") {
        return Some(String::from_utf8_lossy(body));
    }
    if !kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return None;
    }
    let boundary = parameter(content_type, "boundary")?;
    let text = String::from_utf8_lossy(body).into_owned();
    let delimiter = format!("--{boundary}");
    text.split(&delimiter).skip(1).take(MAX_PARTS).find_map(part).map(Cow::Owned)
}

/// The content of a part when it is a session description.
fn part(part: &str) -> Option<String> {
    let part = part.trim_start_matches([' ', '\t']);
    let part = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'))?;
    let (head, content) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
    let is_sdp = head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("content-type")
            && media_type(value).eq_ignore_ascii_case("application/sdp")
    });
    is_sdp.then(|| content.to_owned())
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn parameter<'a>(content_type: &'a str, name: &str) -> Option<&'a str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}
