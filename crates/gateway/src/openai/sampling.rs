//! How to sample, as chats, completions and responses ask for it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use trunkline_inference::ChatOptions;

use super::{stamp, text_or::TextOr};
use crate::refusal::Refusal;

/// What a reply may have at most when the client does not say: more than any context holds, so that the
/// context's end is what cuts it.
pub(crate) const UNTIL_THE_CONTEXT_ENDS: u32 = 1 << 24;
/// Texts that may end a reply.
const STOPS: usize = 4;
/// Tokens that may have a bias.
const BIASES: usize = 1024;

/// The parameters, as they came.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) frequency_penalty: Option<f32>,
    pub(crate) presence_penalty: Option<f32>,
    pub(crate) seed: Option<i64>,
    pub(crate) stop: Option<TextOr<String>>,
    pub(crate) logit_bias: Option<BTreeMap<String, f32>>,
}

impl Sampling {
    /// The parameters within their bounds; what is not given is as OpenAI's.
    pub(crate) fn options(self, max_tokens: u32) -> Result<ChatOptions, Refusal> {
        Ok(ChatOptions {
            max_tokens,
            temperature: within("temperature", self.temperature, 0.0..=2.0, 1.0)?,
            top_p: within("top_p", self.top_p, 0.0..=1.0, 1.0)?,
            frequency_penalty: within(
                "frequency_penalty",
                self.frequency_penalty,
                -2.0..=2.0,
                0.0,
            )?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0..=2.0, 0.0)?,
            seed: self.seed.map_or_else(stamp::seed, fold),
            stop: stops(self.stop)?,
            logit_bias: biases(self.logit_bias.unwrap_or_default())?,
            ..ChatOptions::default()
        })
    }
}

/// `value`, or `unset`, where it lies within `range`.
pub(crate) fn within<T: PartialOrd + std::fmt::Display>(
    param: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
    unset: T,
) -> Result<T, Refusal> {
    match value {
        None => Ok(unset),
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => {
            let message = format!("{value} is not between {} and {}", range.start(), range.end());
            Err(Refusal::bad_param(param, message))
        }
    }
}

/// A seed of 64 bits as one of 32.
fn fold(seed: i64) -> u32 {
    let bytes = seed.to_be_bytes();
    let (high, low) = bytes.split_at(4);
    let number = |half: &[u8]| half.iter().fold(0, |all, &byte| (all << 8) | u32::from(byte));
    number(high) ^ number(low)
}

/// The texts that end a reply. An empty one would end every reply before it begins: it is left out.
fn stops(stop: Option<TextOr<String>>) -> Result<Vec<String>, Refusal> {
    let stops = match stop {
        None => Vec::new(),
        Some(TextOr::Text(text)) => vec![text],
        Some(TextOr::List(list)) => list,
    };
    if stops.len() > STOPS {
        return Err(Refusal::bad_param("stop", format!("there may be at most {STOPS} texts")));
    }
    Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
}

/// `{"1234": -100}`: the model's own token numbers.
fn biases(biases: BTreeMap<String, f32>) -> Result<Vec<(u32, f32)>, Refusal> {
    if biases.len() > BIASES {
        let message = format!("at most {BIASES} tokens may have a bias");
        return Err(Refusal::bad_param("logit_bias", message));
    }
    let read = |(token, bias): (String, f32)| {
        let number = token.parse().map_err(|_| {
            Refusal::bad_param("logit_bias", format!("'{token}' is not a token's number"))
        })?;
        Ok((number, within("logit_bias", Some(bias), -100.0..=100.0, 0.0)?))
    };
    biases.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_as_openais() {
        let options = Sampling::default().options(7).unwrap();
        let unset = ChatOptions { max_tokens: 7, temperature: 1.0, ..ChatOptions::default() };
        assert_eq!(ChatOptions { seed: 0, ..options }, unset);
    }

    #[test]
    fn what_is_given_is_kept() {
        let options = Sampling {
            temperature: Some(0.0),
            seed: Some(-1),
            stop: Some(TextOr::List(vec!["\n".into(), String::new()])),
            logit_bias: Some(BTreeMap::from([("42".into(), -100.0)])),
            ..Sampling::default()
        };
        let options = options.options(1).unwrap();
        assert!(options.temperature.abs() < f32::EPSILON);
        assert_eq!((options.stop, options.seed), (vec!["\n".to_owned()], 0));
        assert_eq!(options.logit_bias, vec![(42, -100.0)]);
        assert_eq!([fold(7), fold(-2), fold(1 << 32)], [7, 1, 1]);
    }

    #[test]
    fn what_lies_beyond_the_bounds_is_refused_by_name() {
        let bias = |token: &str, bias| Some(BTreeMap::from([(token.to_owned(), bias)]));
        let unset = Sampling::default;
        for (param, sampling) in [
            ("temperature", Sampling { temperature: Some(2.1), ..unset() }),
            ("top_p", Sampling { top_p: Some(-0.1), ..unset() }),
            ("frequency_penalty", Sampling { frequency_penalty: Some(3.0), ..unset() }),
            ("presence_penalty", Sampling { presence_penalty: Some(-3.0), ..unset() }),
            ("stop", Sampling { stop: Some(TextOr::List(vec!["x".into(); 5])), ..unset() }),
            ("logit_bias", Sampling { logit_bias: bias("42", 101.0), ..unset() }),
            ("logit_bias", Sampling { logit_bias: bias("hello", 1.0), ..unset() }),
        ] {
            assert_eq!(sampling.options(1).unwrap_err().error()["param"], param);
        }
    }
}
