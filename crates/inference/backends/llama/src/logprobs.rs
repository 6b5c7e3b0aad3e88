//! How probable the model found a token and its alternatives.

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{Candidate, TokenLogprobs};

use crate::{evaluator::signed, vocabulary::Vocabulary};

/// The chosen token and the `count` most probable ones, by what the model itself thinks.
pub(crate) fn of_token(
    logits: &[f32],
    chosen: LlamaToken,
    count: u8,
    vocabulary: &dyn Vocabulary,
) -> TokenLogprobs {
    let normalizer = log_sum_exp(logits);
    let candidate = |id: usize| Candidate {
        bytes: vocabulary.shown(LlamaToken(signed(id))),
        logprob: logits.get(id).map_or(f32::NEG_INFINITY, |logit| logit - normalizer),
    };
    TokenLogprobs {
        chosen: candidate(usize::try_from(chosen.0).unwrap_or(0)),
        top: largest(logits, usize::from(count)).into_iter().map(candidate).collect(),
    }
}

fn log_sum_exp(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
    most + sum.ln()
}

/// The places of the largest values, the largest first, of equals the first.
fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut found: Vec<(f32, usize)> = Vec::with_capacity(count + 1);
    for (at, &value) in values.iter().enumerate() {
        let is_in = found.len() < count || found.last().is_some_and(|&(least, _)| value > least);
        if is_in && count > 0 {
            let place = found.partition_point(|&(other, _)| other >= value);
            found.insert(place, (value, at));
            found.truncate(count);
        }
    }
    found.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocabulary::toy::Toy;

    #[test]
    fn probabilities_are_those_of_a_softmax() {
        let logits: Vec<f32> = [1.0_f32, 2.0, 3.0].iter().map(|p| p.ln()).collect();
        let token = of_token(&logits, LlamaToken(0), 2, &Toy::bytes());
        let probability = |candidate: &Candidate| format!("{:.3}", candidate.logprob.exp() * 6.0);
        assert_eq!(probability(&token.chosen), "1.000");
        assert_eq!(token.top.iter().map(probability).collect::<Vec<_>>(), ["3.000", "2.000"]);
        assert_eq!(token.top[0].bytes, [2]);
    }

    #[test]
    fn nothing_but_the_chosen_token_is_told_unasked() {
        assert_eq!(of_token(&[0.0, 1.0], LlamaToken(1), 0, &Toy::bytes()).top, []);
    }

    proptest! {
        #[test]
        fn the_largest_come_first(values in proptest::collection::vec(-9_i16..9, 0..50), count in 0_usize..21) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let mut places: Vec<usize> = (0..values.len()).collect();
            places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            places.truncate(count);
            prop_assert_eq!(largest(&values, count), places);
        }
    }
}
