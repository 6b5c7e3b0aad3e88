//! The start line and headers of a message, read without trusting any of it.

use std::borrow::Cow;

/// More header lines than this are nobody's telephone.
const MAX_HEADERS: usize = 128;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartLine<'a> {
    Request { method: &'a str, uri: &'a str, version: &'a str },
    Response { version: &'a str, status: &'a str },
}

/// A message up to its empty line.
#[derive(Clone, Debug)]
pub(super) struct Head<'a> {
    pub(super) start: StartLine<'a>,
    /// What is wrong with the form of it, if anything.
    pub(super) flaw: Option<&'static str>,
    /// Where the body begins.
    pub(super) body_at: usize,
    /// Lower-case long names and unfolded values, in order.
    headers: Vec<(String, Cow<'a, str>)>,
}

impl<'a> Head<'a> {
    /// `None` when it does not even look like SIP.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (text, mut flaw) = match std::str::from_utf8(message.get(..end)?) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = message.get(..error.valid_up_to())?;
                (std::str::from_utf8(valid).ok()?, Some("Not UTF-8"))
            }
        };
        let mut lines = text.split("\r\n");
        let start = start_line(lines.next()?)?;
        let mut headers: Vec<(String, Cow<'a, str>)> = Vec::new();
        for line in lines {
            if line.contains(['\r', '\n', '\0']) {
                flaw = flaw.or(Some("Stray Control Character"));
            }
            if line.starts_with([' ', '\t']) {
                match headers.last_mut() {
                    Some((_, value)) => {
                        value.to_mut().push(' ');
                        value.to_mut().push_str(line.trim());
                    }
                    None => flaw = flaw.or(Some("Folded First Header")),
                }
                continue;
            }
            match line.split_once(':') {
                Some((name, value)) if is_token(name.trim_end()) => {
                    headers.push((long_name(name.trim_end()), Cow::Borrowed(value.trim())));
                }
                Some(_) | None => flaw = flaw.or(Some("Malformed Header Line")),
            }
        }
        if headers.len() > MAX_HEADERS {
            flaw = flaw.or(Some("Too Many Headers"));
        }
        Some(Self { start, flaw, body_at: end + 4, headers })
    }

    /// The first value of the header with this lower-case name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of the header with this lower-case name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(header, _)| header == name).map(|(_, value)| value.trim())
    }
}

fn start_line(line: &str) -> Option<StartLine<'_>> {
    let mut words = line.splitn(3, ' ');
    let (first, second) = (words.next()?, words.next()?);
    let third = words.next().unwrap_or_default();
    if first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Some(StartLine::Response { version: first, status: second });
    }
    // The version is the last word, so that a URI with spaces in it is told apart from a bad version.
    let rest = line.get(first.len() + 1..)?;
    let (uri, version) = rest.trim_end().rsplit_once(' ').unwrap_or((second, third));
    let looks_like_sip = version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
    (is_token(first) && looks_like_sip).then_some(StartLine::Request {
        method: first,
        uri,
        version,
    })
}

/// RFC 3261, section 25.1.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

/// The value of `;name=value` (empty for `;name`) outside quotes and brackets.
pub(super) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = outside(value);
    after.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What follows the bracketed address, or all of it when nothing is bracketed.
fn outside(value: &str) -> &str {
    match value.rfind('>') {
        Some(end) => value.get(end..).unwrap_or_default(),
        None => value,
    }
}

fn long_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let long = match lower.as_str() {
        "i" => "call-id",
        "m" => "contact",
        "e" => "content-encoding",
        "l" => "content-length",
        "c" => "content-type",
        "f" => "from",
        "s" => "subject",
        "k" => "supported",
        "t" => "to",
        "v" => "via",
        "x" => "session-expires",
        _ => return lower,
    };
    long.to_owned()
}
