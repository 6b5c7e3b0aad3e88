//! A trace of SIP messages for people who debug, without secrets.

use std::net::SocketAddr;

/// Where the trace goes: `TRACE` on this target.
pub const TARGET: &str = "trunkline::sip";

/// Which way a message went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    In,
    Out,
}

/// Writes a message to the trace.
pub(crate) fn message(way: Way, peer: SocketAddr, transport: &'static str, bytes: &[u8]) {
    if !tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
        return;
    }
    let text = redacted(bytes);
    match way {
        Way::In => tracing::trace!(target: TARGET, %peer, transport, "SIP received\n{text}"),
        Way::Out => tracing::trace!(target: TARGET, %peer, transport, "SIP sent\n{text}"),
    }
}

/// The message without credentials and without the digits of an `INFO`.
fn redacted(bytes: &[u8]) -> String {
    const SECRET: [&str; 5] = [
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "signal",
    ];
    let text = String::from_utf8_lossy(bytes);
    let mut folded_secret = false;
    let mut in_dtmf = false;
    let mut in_body = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        in_body |= line.is_empty();
        let name = line.split([':', '=']).next().unwrap_or_default().trim().to_ascii_lowercase();
        in_dtmf |= matches!(name.as_str(), "content-type" | "c")
            && line.to_ascii_lowercase().contains("application/dtmf");
        let continues = line.starts_with([' ', '\t']);
        folded_secret = SECRET.contains(&name.as_str()) || (continues && folded_secret);
        if folded_secret || (in_body && in_dtmf && !line.is_empty()) {
            out.push_str(if continues || in_body { "[redacted]" } else { &name });
            if !continues && !in_body {
                out.push_str(": [redacted]");
            }
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_digits_are_not_traced() {
        let message = b"INFO sip:a SIP/2.0\r\nAuthorization: Digest username=\"a\",\r\n  response=\"secret\"\r\nVia: x\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=7\r\nDuration=160\r\n";
        let text = redacted(message);
        assert!(
            !text.contains("secret") && !text.contains("username") && !text.contains('7'),
            "{text}"
        );
        assert!(text.contains("INFO sip:a SIP/2.0") && text.contains("Via: x"), "{text}");
    }

    #[test]
    fn other_messages_are_traced_whole() {
        let message = b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n";
        assert_eq!(redacted(message), "OPTIONS sip:a SIP/2.0\nVia: x\n\n");
    }
}
