//! Keys in the body of an INFO, as older systems send them.

use trunkline_session::leg::Digit;

/// The key in a body of `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`).
pub(super) fn digit(content_type: &str, body: &[u8]) -> Option<Digit> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let text = std::str::from_utf8(body).ok()?;
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    key(signal)
}

/// A key by its name, or by its RFC 4733 number as some send it.
fn key(signal: &str) -> Option<Digit> {
    match signal {
        "10" => return Some(Digit('*')),
        "11" => return Some(Digit('#')),
        _ => {}
    }
    let mut characters = signal.chars();
    let character = characters.next()?.to_ascii_uppercase();
    let is_key = matches!(character, '0'..='9' | '*' | '#' | 'A'..='D');
    (is_key && characters.next().is_none()).then_some(Digit(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_key_are_read() {
        for (kind, body, expected) in [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5')),
            ("application/dtmf-relay; x=y", "Duration=160\nsignal = #\n", Some('#')),
            ("application/dtmf-relay", "Signal=10\r\n", Some('*')),
            ("Application/DTMF", "d", Some('D')),
            ("application/dtmf", "55", None),
            ("application/dtmf-relay", "Duration=160", None),
            ("text/plain", "5", None),
        ] {
            let found = digit(kind, body.as_bytes()).map(|digit| digit.0);
            assert_eq!(found, expected, "{kind} {body}");
        }
    }
}
