//! E-mail and web addresses, the way people dictate them.

use super::{
    numbers,
    reader::{Reader, Spoken},
};

/// Endings that make a word with a dot an address; others need a scheme or `www.`.
const ENDINGS: [&str; 24] = [
    "com", "org", "net", "edu", "gov", "io", "dev", "ai", "app", "co", "uk", "de", "fr", "es",
    "it", "nl", "eu", "us", "ca", "au", "info", "biz", "me", "tv",
];

/// `john at example dot com`, `example dot com slash help`.
pub(super) fn address(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    let bare = core.strip_prefix("mailto:").unwrap_or(core);
    if let Some((name, host)) = bare.split_once('@')
        && !name.is_empty()
        && host.contains('.')
        && !host.contains('@')
    {
        return Some(Spoken::new(format!("{} at {}", spelled(name), spelled(host)), 1));
    }
    web(core).map(|words| Spoken::new(words, 1))
}

fn web(core: &str) -> Option<String> {
    let lower = core.to_ascii_lowercase();
    let has_scheme = lower.starts_with("http://") || lower.starts_with("https://");
    let rest = core.split_once("://").filter(|_| has_scheme).map_or(core, |(_, rest)| rest);
    let is_www = lower.starts_with("www.");
    let rest = rest.strip_prefix("www.").or_else(|| rest.strip_prefix("WWW.")).unwrap_or(rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let host = rest.split('/').next().unwrap_or_default();
    if !(has_scheme || is_www || is_host(host)) || rest.is_empty() {
        return None;
    }
    Some(spelled(rest))
}

fn is_host(host: &str) -> bool {
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let is_known = ENDINGS.contains(&ending.to_ascii_lowercase().as_str());
    is_known
        && name.contains(|c: char| c.is_ascii_alphabetic())
        && name.split('.').all(|part| !part.is_empty())
        && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.')
}

fn spelled(part: &str) -> String {
    let mut words = String::new();
    for c in part.chars() {
        match c {
            '.' => words.push_str(" dot "),
            '-' => words.push_str(" dash "),
            '_' => words.push_str(" underscore "),
            '+' => words.push_str(" plus "),
            '/' => words.push_str(" slash "),
            '0'..='9' => {
                words.push(' ');
                words.push_str(&numbers::digits(c.encode_utf8(&mut [0; 4])));
                words.push(' ');
            }
            c if c.is_alphanumeric() => words.push(c),
            _ => words.push(' '),
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
