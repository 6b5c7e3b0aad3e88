//! How probable the tokens of a reply were, as chats and responses tell it.

use serde_json::{Value, json};
use trunkline_inference::{Candidate, TokenLogprobs};

use crate::refusal::Refusal;

/// Alternatives that may be asked for at each token.
pub(crate) const TOP: u8 = 20;
/// What stands for a probability of nothing: JSON has no infinity.
const NEVER: f32 = -9999.0;

/// How many alternatives to tell, or none at all.
pub(crate) fn wanted(wanted: bool, top: Option<u8>) -> Result<Option<u8>, Refusal> {
    match top {
        Some(top) if top > TOP => {
            let message = format!("{top} is not between 0 and {TOP}");
            Err(Refusal::bad_param("top_logprobs", message))
        }
        Some(top) if top > 0 && !wanted => {
            let message = "top_logprobs needs logprobs to be true";
            Err(Refusal::bad_param("top_logprobs", message))
        }
        top => Ok(wanted.then(|| top.unwrap_or(0))),
    }
}

/// `[{"token","logprob","bytes","top_logprobs":[..]}]`.
pub(crate) fn list(tokens: &[TokenLogprobs]) -> Value {
    tokens
        .iter()
        .map(|token| {
            let mut entry = candidate(&token.chosen);
            entry["top_logprobs"] = token.top.iter().map(candidate).collect();
            entry
        })
        .collect()
}

fn candidate(candidate: &Candidate) -> Value {
    json!({
        "token": text(&candidate.bytes),
        "logprob": finite(candidate.logprob),
        "bytes": candidate.bytes,
    })
}

/// A token's text. Bytes that are no characters by themselves are written as `\xe2`.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let [high, low] =
                [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
            text.extend(['\\', 'x'].into_iter().chain(high).chain(low));
        }
    }
    text
}

/// A logarithm that JSON can hold.
pub(crate) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { NEVER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_with_their_bytes_and_alternatives() {
        let chosen = Candidate { bytes: b"\xe2\x82".to_vec(), logprob: -0.5 };
        let other = Candidate { bytes: b"a".to_vec(), logprob: f32::NEG_INFINITY };
        insta::assert_json_snapshot!(list(&[TokenLogprobs {
            top: vec![chosen.clone(), other],
            chosen
        }]));
    }

    #[test]
    fn alternatives_are_told_only_with_logprobs_and_up_to_a_bound() {
        assert_eq!(wanted(false, None).unwrap(), None);
        assert_eq!(wanted(false, Some(0)).unwrap(), None);
        assert_eq!(wanted(true, None).unwrap(), Some(0));
        assert_eq!(wanted(true, Some(20)).unwrap(), Some(20));
        assert!(wanted(true, Some(21)).is_err());
        assert!(wanted(false, Some(1)).is_err());
    }
}
