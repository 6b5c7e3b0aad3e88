//! Which token comes next: the most likely one, or one by chance, after the request's penalties and
//! biases and within what a grammar allows.

use std::collections::BTreeMap;

use llama_cpp_2::{
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use trunkline_inference::ChatOptions;

use crate::{
    constraint::{Allowed, Constraint},
    evaluator::signed,
};

/// A token whose logit is so many temperatures below the best is not drawn: its chance is below 1e-12, and
/// there are 150,000 of them to be sorted.
const HOPELESS: f32 = 28.0;

/// Chooses the tokens of one reply.
pub(crate) struct Sampler {
    /// `None` takes the most likely token.
    dice: Option<Dice>,
    adjustments: Adjustments,
    /// The logits as adjusted; empty while nothing is.
    adjusted: Vec<f32>,
}

impl Sampler {
    /// For a reply that is to be as these options say.
    pub(crate) fn of(options: &ChatOptions) -> Self {
        Self {
            dice: Dice::of(options),
            adjustments: Adjustments::of(options),
            adjusted: Vec::new(),
        }
    }

    /// The next token. Fails with what the grammar says when it cannot go on.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        constraint: Option<&mut Constraint>,
    ) -> Result<LlamaToken, String> {
        let logits = if self.adjustments.is_empty() {
            logits
        } else {
            self.adjusted.clear();
            self.adjusted.extend_from_slice(logits);
            self.adjustments.apply(&mut self.adjusted);
            &self.adjusted
        };
        let token = match (&mut self.dice, constraint) {
            (None, None) => most_likely(logits),
            (None, Some(constraint)) => most_likely_allowed(logits, constraint)?,
            (Some(dice), None) => dice.draw(logits, None),
            (Some(dice), Some(constraint)) => dice.draw(logits, Some(&constraint.allowed()?)),
        };
        self.adjustments.count(token);
        Ok(token)
    }
}

/// Draws tokens by chance.
struct Dice {
    /// Temperature, then nucleus, then a draw from the seed.
    chain: LlamaSampler,
    temperature: f32,
}

impl Dice {
    fn of(options: &ChatOptions) -> Option<Self> {
        if options.temperature <= 0.0 {
            return None;
        }
        let mut chain = vec![LlamaSampler::temp(options.temperature)];
        if options.top_p < 1.0 {
            chain.push(LlamaSampler::top_p(options.top_p.max(0.0), 1));
        }
        chain.push(LlamaSampler::dist(options.seed));
        Some(Self { chain: LlamaSampler::chain(chain, true), temperature: options.temperature })
    }

    fn draw(&mut self, logits: &[f32], allowed: Option<&Allowed>) -> LlamaToken {
        let is_allowed = |id: i32| allowed.is_none_or(|allowed| allowed.contains(id));
        let best = match allowed {
            None => logits.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            Some(_) => (0..)
                .zip(logits)
                .filter(|&(id, _)| is_allowed(id))
                .fold(f32::NEG_INFINITY, |best, (_, &logit)| best.max(logit)),
        };
        let least = best - HOPELESS * self.temperature;
        let candidates = (0..)
            .zip(logits)
            .filter(|&(id, &logit)| logit >= least && is_allowed(id))
            .map(|(id, &logit)| LlamaTokenData::new(LlamaToken(id), logit, 0.0));
        let mut candidates = LlamaTokenDataArray::from_iter(candidates, false);
        let first = candidates.data.first().map(LlamaTokenData::id);
        candidates.apply_sampler(&mut self.chain);
        let token = candidates.selected_token().or(first).unwrap_or_else(|| most_likely(logits));
        self.chain.accept(token);
        token
    }
}

/// What is added to the logits of single tokens.
struct Adjustments {
    bias: Vec<(u32, f32)>,
    frequency: f32,
    presence: f32,
    /// How often the reply has each token; empty without penalties.
    counts: BTreeMap<u32, f32>,
}

impl Adjustments {
    fn of(options: &ChatOptions) -> Self {
        Self {
            bias: options.logit_bias.clone(),
            frequency: options.frequency_penalty,
            presence: options.presence_penalty,
            counts: BTreeMap::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.bias.is_empty() && self.counts.is_empty()
    }

    fn count(&mut self, token: LlamaToken) {
        let has_penalty = self.frequency.abs() > 0.0 || self.presence.abs() > 0.0;
        if let Ok(token) = u32::try_from(token.0)
            && has_penalty
        {
            *self.counts.entry(token).or_default() += 1.0;
        }
    }

    /// As OpenAI's API reference has it: logit - count * frequency - (count > 0) * presence + bias.
    fn apply(&self, logits: &mut [f32]) {
        let mut add = |token: u32, amount: f32| {
            let at = usize::try_from(token).unwrap_or(usize::MAX);
            if let Some(logit) = logits.get_mut(at) {
                *logit += amount;
            }
        };
        for (&token, &count) in &self.counts {
            add(token, -(count * self.frequency + self.presence));
        }
        for &(token, bias) in &self.bias {
            add(token, bias);
        }
    }
}

/// The most likely token that is allowed. What all are allowed is only asked when the most likely
/// of all is not among them.
fn most_likely_allowed(logits: &[f32], constraint: &mut Constraint) -> Result<LlamaToken, String> {
    let favourite = most_likely(logits);
    if constraint.allows(favourite)? {
        return Ok(favourite);
    }
    let allowed = constraint.allowed()?;
    let mut best = None;
    for (id, &logit) in (0..).zip(logits) {
        if allowed.contains(id) && best.is_none_or(|(most, _)| logit > most) {
            best = Some((logit, LlamaToken(id)));
        }
    }
    best.map(|(_, token)| token).ok_or_else(|| "the grammar allows no token".to_owned())
}

fn most_likely(logits: &[f32]) -> LlamaToken {
    // In blocks, so that the compiler can look for the largest value of each with vector registers.
    const BLOCK: usize = 1024;
    let largest = |block: &[f32]| block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut best = (f32::NEG_INFINITY, 0);
    for (number, block) in logits.chunks(BLOCK).enumerate() {
        let value = largest(block);
        if value > best.0 {
            best = (value, number);
        }
    }
    let start = best.1 * BLOCK;
    let within = logits.iter().skip(start).position(|&logit| logit >= best.0).unwrap_or(0);
    LlamaToken(signed(start + within))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replies(options: &ChatOptions, logits: &[f32], tokens: usize) -> Vec<i32> {
        let mut sampler = Sampler::of(options);
        (0..tokens).map(|_| sampler.choose(logits, None).unwrap().0).collect()
    }

    proptest! {
        #[test]
        fn the_most_likely_token_is_the_first_of_the_largest(
            logits in proptest::collection::vec((-50_i16..50).prop_map(f32::from), 1..5000),
        ) {
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            let first = logits.iter().position(|&l| l >= largest).unwrap();
            prop_assert_eq!(most_likely(&logits), LlamaToken(signed(first)));
        }
    }

    #[test]
    fn a_draw_repeats_with_its_seed_and_keeps_to_the_nucleus() {
        let logits: Vec<f32> = [5.0, 4.9, 4.8].into_iter().chain([-20.0; 100]).collect();
        let draws = |seed| {
            let options =
                ChatOptions { temperature: 1.0, top_p: 0.9, seed, ..ChatOptions::default() };
            replies(&options, &logits, 40)
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!(draws(3).iter().all(|token| (0..3).contains(token)));
    }

    #[test]
    fn a_hot_temperature_draws_what_a_cold_one_does_not() {
        let logits = [3.0, 0.0];
        let seconds = |temperature| {
            let options = ChatOptions { temperature, seed: 5, ..ChatOptions::default() };
            replies(&options, &logits, 200).into_iter().filter(|&token| token == 1).count()
        };
        assert_eq!(seconds(0.1), 0);
        assert!(seconds(2.0) > 20, "{}", seconds(2.0));
    }

    #[test]
    fn a_frequency_penalty_counts_each_time_that_the_reply_has_the_token() {
        let options = ChatOptions { frequency_penalty: 0.4, ..ChatOptions::default() };
        assert_eq!(replies(&options, &[1.0, 0.5, 0.0], 5), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_presence_penalty_counts_once() {
        let options = ChatOptions { presence_penalty: 0.6, ..ChatOptions::default() };
        assert_eq!(replies(&options, &[1.0, 0.5, 0.0], 4), [0, 1, 0, 0]);
    }

    #[test]
    fn a_bias_forces_and_bans_tokens() {
        let bias = |logit_bias| ChatOptions { logit_bias, ..ChatOptions::default() };
        assert_eq!(replies(&bias(vec![(2, 100.0)]), &[1.0, 0.5, 0.0], 2), [2, 2]);
        assert_eq!(replies(&bias(vec![(0, -100.0)]), &[1.0, 0.5, 0.0], 2), [1, 1]);
    }

    #[test]
    fn a_reply_without_adjustments_copies_no_logits() {
        let mut sampler = Sampler::of(&ChatOptions::default());
        sampler.choose(&[1.0; 100], None).unwrap();
        assert_eq!(sampler.adjusted.capacity(), 0);
    }

    #[test]
    fn logits_that_are_no_numbers_do_not_stop_a_reply() {
        assert_eq!(most_likely(&[f32::NAN; 3]), LlamaToken(0));
        assert_eq!(most_likely(&[f32::NAN, 1.0, 2.0]), LlamaToken(2));
    }
}
