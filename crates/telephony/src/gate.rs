//! Looks at every message before the SIP stack does, and answers what the stack need not see.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
};

mod framer;
mod head;
mod rules;

pub use framer::{Framer, Piece};
use head::{Head, StartLine};

/// The largest message taken, on any transport. A call's largest has about 3,000 bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;

/// The methods that we answer with more than a refusal.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE";
/// The extensions that we know.
pub const SUPPORTED: &str = "timer";
/// The bodies that we read.
pub const ACCEPT: &str =
    "application/sdp, multipart/mixed, application/dtmf-relay, application/dtmf";

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stack gets it.
    Pass,
    /// The stack gets this instead: the same message with its length stated.
    PassAs(Vec<u8>),
    /// Nobody gets it; the reason is for the log.
    Drop(&'static str),
    /// A keep-alive (RFC 5626, section 3.5.1) that wants this answer; empty for none.
    KeepAlive(&'static [u8]),
    /// We answer it here with this response.
    Reply(Vec<u8>),
}

/// How a message is framed, which decides what its length may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One datagram is one message.
    Datagram,
    /// The message was cut out of a stream by its `Content-Length`.
    Stream,
}

/// Judges messages. Pure: the same message from the same source gets the same verdict.
#[derive(Clone, Debug)]
pub struct Gate {
    server: String,
    seed: u64,
}

/// Why a request is refused here, with what the response says beside its status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    reason: &'static str,
    headers: Vec<String>,
}

impl Refusal {
    fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, headers: Vec::new() }
    }

    fn with(mut self, header: String) -> Self {
        self.headers.push(header);
        self
    }
}

impl Gate {
    /// `server` goes into the `Server` header of its answers, `seed` into their tags.
    pub fn new(server: impl Into<String>, seed: u64) -> Self {
        Self { server: server.into(), seed }
    }

    /// Judges one message that came from `source`.
    pub fn judge(&self, message: &[u8], source: SocketAddr, framing: Framing) -> Verdict {
        if message == b"\r\n\r\n" {
            return Verdict::KeepAlive(b"\r\n");
        }
        if message.iter().all(u8::is_ascii_whitespace) || message == b"\0" {
            return Verdict::KeepAlive(b"");
        }
        let Some(head) = Head::read(message) else {
            return Verdict::Drop("not a SIP message");
        };
        match head.start {
            StartLine::Response { .. } => match rules::response(&head) {
                Ok(()) => Verdict::Pass,
                Err(reason) => Verdict::Drop(reason),
            },
            StartLine::Request { method, .. } => match rules::request(&head, message, framing) {
                Ok(()) if head.first("content-length").is_none() => {
                    rules::with_length(message, &head)
                }
                Ok(()) => Verdict::Pass,
                Err(_) if method == "ACK" => Verdict::Drop("a malformed ACK has no response"),
                Err(refusal) => self.reply(&head, &refusal, source),
            },
        }
    }

    /// A response to whatever can be read of the request.
    fn reply(&self, head: &Head<'_>, refusal: &Refusal, source: SocketAddr) -> Verdict {
        let vias: Vec<&str> = head.all("via").collect();
        let Some((top, others)) = vias.split_first() else {
            return Verdict::Drop("a request without Via cannot be answered");
        };
        let mut text = format!("SIP/2.0 {} {}\r\n", refusal.status, refusal.reason);
        let mut line = |name: &str, value: &str| {
            write!(text, "{name}: {value}\r\n").expect("writing to a string cannot fail");
        };
        line("Via", &received(top, source));
        for via in others {
            line("Via", via);
        }
        if let Some(from) = head.first("from") {
            line("From", from);
        }
        if let Some(to) = head.first("to") {
            line("To", &self.tagged(to, head, refusal.status));
        }
        for (name, title) in [("call-id", "Call-ID"), ("cseq", "CSeq")] {
            if let Some(value) = head.first(name) {
                line(title, value);
            }
        }
        for header in &refusal.headers {
            let (name, value) = header.split_once(": ").unwrap_or((header, ""));
            line(name, value);
        }
        line("Server", &self.server);
        line("Content-Length", "0");
        text.push_str("\r\n");
        Verdict::Reply(text.into_bytes())
    }

    /// `To` with a tag that is the same for a retransmission of the same request.
    fn tagged(&self, to: &str, head: &Head<'_>, status: u16) -> String {
        if head::parameter(to, "tag").is_some() {
            return to.to_owned();
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, head.first("call-id"), head.first("from"), status).hash(&mut hasher);
        format!("{to};tag={:016x}", hasher.finish())
    }
}

/// The topmost `Via` with where the request really came from (RFC 3261, section 18.2.1; RFC 3581).
fn received(via: &str, source: SocketAddr) -> String {
    let (first, rest) = match via.split_once(',') {
        Some((first, rest)) => (first, format!(",{rest}")),
        None => (via, String::new()),
    };
    let kept: Vec<&str> = first
        .split(';')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default().trim();
            !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport")
        })
        .map(str::trim)
        .collect();
    let wants_port = head::parameter(first, "rport").is_some();
    let port = if wants_port { format!(";rport={}", source.port()) } else { String::new() };
    format!("{};received={}{port}{rest}", kept.join(";"), source.ip())
}

#[cfg(test)]
mod tests;
