//! The rules that a message must keep to reach the SIP stack (RFC 3261, sections 8.1.1, 8.2 and 16.3).

use rsipstack::sip::{SipMessage, headers::untyped::ToTypedHeader, prelude::HeadersExt};

use super::{
    ACCEPT, ALLOW, Framing, MAX_MESSAGE, Refusal, SUPPORTED, Verdict,
    head::{Head, StartLine, is_token},
};

const MAX_CSEQ: u32 = 1 << 31;
/// Addresses in one `Contact`.
const MAX_CONTACTS: u32 = 16;

/// Methods with a meaning outside a call, none of them ours.
const KNOWN_ELSEWHERE: [&str; 8] =
    ["REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "REFER", "PRACK", "UPDATE"];
/// Methods that only mean something inside a call.
const IN_DIALOG: [&str; 4] = ["BYE", "INFO", "UPDATE", "PRACK"];

pub(super) fn response(head: &Head<'_>) -> Result<(), &'static str> {
    let StartLine::Response { version, status } = head.start else {
        return Err("not a response");
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err("a response of another version");
    }
    if !status.parse::<u16>().is_ok_and(|status| (100..700).contains(&status)) || status.len() != 3
    {
        return Err("a response without a status");
    }
    if head.flaw.is_some() || mandatory(head).is_err() || cseq(head).is_err() {
        return Err("a malformed response");
    }
    Ok(())
}

pub(super) fn request(head: &Head<'_>, message: &[u8], framing: Framing) -> Result<(), Refusal> {
    let StartLine::Request { method, uri, version } = head.start else {
        return Err(Refusal::new(400, "Bad Request"));
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Refusal::new(505, "Version Not Supported"));
    }
    form(head, method, uri)?;
    size(head, message, framing)?;
    scheme(uri)?;
    understood(head, method)?;
    let in_dialog = head.first("to").is_some_and(|to| super::head::parameter(to, "tag").is_some());
    elsewhere(method, in_dialog)?;
    stack_can_read(message)
}

/// The form of the request itself.
fn form(head: &Head<'_>, method: &str, uri: &str) -> Result<(), Refusal> {
    let bad = |reason| Err(Refusal::new(400, reason));
    if let Some(flaw) = head.flaw {
        return bad(flaw);
    }
    mandatory(head)?;
    let (_, named) = cseq(head)?;
    if named != method {
        return bad("CSeq Names Another Method");
    }
    if uri.is_empty() || uri.contains([' ', '\t', '<', '>', '"']) {
        return bad("Malformed Request-URI");
    }
    let from = head.first("from").unwrap_or_default();
    if super::head::parameter(from, "tag").is_none_or(str::is_empty) {
        return bad("From Has No Tag");
    }
    for (name, most) in [("from", 1), ("to", 1), ("contact", MAX_CONTACTS)] {
        if head.all(name).any(|value| !has_addresses(value, most)) {
            return bad("Malformed Address");
        }
    }
    match head.first("max-forwards").map(str::parse::<u8>) {
        Some(Err(_)) => bad("Malformed Max-Forwards"),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// `Via`, and exactly one `From`, `To`, `Call-ID` and `CSeq`.
fn mandatory(head: &Head<'_>) -> Result<(), Refusal> {
    if head.first("via").is_none_or(|via| !is_via(via)) || head.all("via").any(has_gaps) {
        return Err(Refusal::new(400, "Missing or Malformed Via"));
    }
    for (name, missing) in [
        ("from", "Missing From"),
        ("to", "Missing To"),
        ("call-id", "Missing Call-ID"),
        ("cseq", "Missing CSeq"),
    ] {
        if head.first(name).is_none_or(str::is_empty) {
            return Err(Refusal::new(400, missing));
        }
    }
    for name in ["from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"]
    {
        if head.all(name).count() > 1 {
            return Err(Refusal::new(400, "Repeated Header"));
        }
    }
    Ok(())
}

/// `SIP/2.0/UDP host`.
fn is_via(via: &str) -> bool {
    let Some((protocol, sent_by)) = via.split_once([' ', '\t']) else {
        return false;
    };
    // White space is allowed around the slashes (RFC 3261, section 25.1).
    let (protocol, sent_by) = if protocol.matches('/').count() == 2 && !protocol.ends_with('/') {
        (protocol.to_owned(), sent_by)
    } else {
        let mut slashes = via.splitn(3, '/').map(str::trim);
        let (name, version) =
            (slashes.next().unwrap_or_default(), slashes.next().unwrap_or_default());
        let rest = slashes.next().unwrap_or_default();
        let Some((transport, sent_by)) = rest.split_once([' ', '\t']) else {
            return false;
        };
        (format!("{name}/{version}/{transport}"), sent_by)
    };
    let mut parts = protocol.split('/');
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("SIP"))
        && parts.next() == Some("2.0")
        && parts.next().is_some_and(is_token)
        && sent_by.trim().starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
}

/// An empty parameter or an empty value in a list.
fn has_gaps(via: &str) -> bool {
    via.split(',').any(|value| value.split(';').any(|part| part.trim().is_empty()))
}

fn cseq<'a>(head: &'a Head<'_>) -> Result<(u32, &'a str), Refusal> {
    let bad = || Refusal::new(400, "Malformed CSeq");
    let value = head.first("cseq").ok_or_else(bad)?;
    let (number, method) = value.split_once([' ', '\t']).ok_or_else(bad)?;
    let number: u32 = number.parse().map_err(|_| bad())?;
    let method = method.trim();
    if number >= MAX_CSEQ || !is_token(method) {
        return Err(bad());
    }
    Ok((number, method))
}

/// Quotes and brackets close, and there are at most so many addresses in brackets.
fn has_addresses(value: &str, most: u32) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    let mut is_open = false;
    let mut addresses = 0;
    for character in value.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '<' | '>' if is_open == (character == '<') => return false,
            '<' => {
                is_open = true;
                addresses += 1;
            }
            '>' => is_open = false,
            _ => {}
        }
    }
    !quoted && !is_open && addresses <= most && !value.contains("<>")
}

/// The stated length against the real one.
fn size(head: &Head<'_>, message: &[u8], framing: Framing) -> Result<(), Refusal> {
    if message.len() > MAX_MESSAGE {
        return Err(Refusal::new(513, "Message Too Large"));
    }
    let available = message.len() - head.body_at;
    let Some(stated) = head.first("content-length") else {
        return match framing {
            Framing::Datagram => Ok(()),
            Framing::Stream => Err(Refusal::new(400, "Missing Content-Length")),
        };
    };
    match stated.parse::<usize>() {
        Ok(stated) if stated <= available => Ok(()),
        Ok(_) => Err(Refusal::new(400, "Body Shorter Than Content-Length")),
        Err(_) => Err(Refusal::new(400, "Malformed Content-Length")),
    }
}

fn scheme(uri: &str) -> Result<(), Refusal> {
    match uri.split_once(':') {
        Some((scheme, rest)) if !rest.is_empty() => {
            let known =
                ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
            if known { Ok(()) } else { Err(Refusal::new(416, "Unsupported URI Scheme")) }
        }
        Some(_) | None => Err(Refusal::new(400, "Malformed Request-URI")),
    }
}

/// What the request asks us to understand (RFC 3261, section 8.2.2.3 and 8.2.3).
fn understood(head: &Head<'_>, method: &str) -> Result<(), Refusal> {
    if matches!(method, "ACK" | "CANCEL") {
        return Ok(());
    }
    let unknown: Vec<&str> = head
        .all("require")
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|option| !option.is_empty() && !option.eq_ignore_ascii_case(SUPPORTED))
        .collect();
    if !unknown.is_empty() {
        return Err(
            Refusal::new(420, "Bad Extension").with(format!("Unsupported: {}", unknown.join(", ")))
        );
    }
    if head.all("content-encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(
            Refusal::new(415, "Unsupported Media Type").with("Accept-Encoding: identity".into())
        );
    }
    let kind = head
        .first("content-type")
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match (method, kind) {
        ("INVITE" | "UPDATE", Some(kind))
            if kind != "application/sdp" && !kind.starts_with("multipart/") =>
        {
            Err(Refusal::new(415, "Unsupported Media Type").with(format!("Accept: {ACCEPT}")))
        }
        (_, Some(_) | None) => Ok(()),
    }
}

/// What can be answered without looking at any call.
fn elsewhere(method: &str, in_dialog: bool) -> Result<(), Refusal> {
    let allow = || format!("Allow: {ALLOW}");
    match method {
        "INVITE" | "ACK" | "CANCEL" => Ok(()),
        "OPTIONS" | "BYE" | "INFO" | "UPDATE" if in_dialog => Ok(()),
        "OPTIONS" => Err(Refusal::new(200, "OK")
            .with(allow())
            .with(format!("Accept: {ACCEPT}"))
            .with(format!("Supported: {SUPPORTED}"))
            .with("Accept-Encoding: identity".into())
            .with("Accept-Language: en".into())),
        _ if IN_DIALOG.contains(&method) => {
            Err(Refusal::new(481, "Call/Transaction Does Not Exist"))
        }
        _ if KNOWN_ELSEWHERE.contains(&method) => {
            Err(Refusal::new(405, "Method Not Allowed").with(allow()))
        }
        _ => Err(Refusal::new(501, "Not Implemented").with(allow())),
    }
}

/// The stack's own reading, so that nothing it cannot read reaches it.
fn stack_can_read(message: &[u8]) -> Result<(), Refusal> {
    let unreadable = || Refusal::new(400, "Bad Request");
    let Ok(SipMessage::Request(request)) = SipMessage::try_from(message) else {
        return Err(unreadable());
    };
    let is_read = request
        .via_header()
        .is_ok_and(|via| via.first_value().is_ok_and(|via| via.typed().is_ok()))
        && request.from_header().is_ok_and(|from| from.uri().is_ok())
        && request.to_header().is_ok_and(|to| to.uri().is_ok() && to.tag().is_ok())
        && request.cseq_header().is_ok_and(|cseq| cseq.typed().is_ok());
    if is_read { Ok(()) } else { Err(unreadable()) }
}

/// The message with a `Content-Length`: over UDP a body without one ends with its datagram, which
/// the stack does not know.
pub(super) fn with_length(message: &[u8], head: &Head<'_>) -> Verdict {
    let (start, body) = message.split_at(head.body_at);
    let without_empty_line = start.len() - 2;
    let mut whole = Vec::with_capacity(message.len() + 32);
    whole.extend_from_slice(&start[..without_empty_line]);
    whole.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    whole.extend_from_slice(body);
    Verdict::PassAs(whole)
}
