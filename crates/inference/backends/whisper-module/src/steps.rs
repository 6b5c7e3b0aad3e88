//! What is seen and done at each step of a decoding: its end, and what the answer tells of its tokens.

#![expect(unsafe_code, reason = "whisper.cpp asks through a C callback")]

use std::{
    ffi::{c_int, c_void},
    slice,
};

use whisper_rs::{WhisperContext, WhisperSysContext, WhisperSysState, WhisperTokenData};

use crate::ending::Ending;

/// What accompanies one transcription.
pub(crate) struct Steps {
    pub(crate) ending: Ending,
    /// The end-of-text token.
    end: usize,
    vocabulary: usize,
    first_time: usize,
    /// Steps of 20 ms at which a token may begin; 0 where nobody asks.
    columns: usize,
    /// A row of `columns` for each token.
    times: Vec<f32>,
    /// How the tokens are drawn; 0 is greedy.
    temperature: f32,
    /// Log-probabilities of the step before, at a temperature of 1.
    before: Vec<f32>,
    logprobs: Vec<f32>,
}

impl Steps {
    /// For tokens drawn at a temperature, told with their probable beginnings in `columns` steps.
    pub(crate) fn new(
        context: &WhisperContext,
        ending: Ending,
        columns: usize,
        temperature: f32,
    ) -> Self {
        let vocabulary = usize::try_from(context.n_vocab()).unwrap_or(0);
        let [first_time, end] = [context.token_beg(), context.token_eot()]
            .map(|token| usize::try_from(token).unwrap_or(0));
        let columns = columns.min(vocabulary - first_time);
        let (times, before, logprobs) = (Vec::new(), Vec::new(), Vec::new());
        Self { ending, end, vocabulary, first_time, columns, times, temperature, before, logprobs }
    }

    /// How probable it is that each token begins at each step of 20 ms, in `columns`.
    pub(crate) fn times(&self, token: usize) -> &[f32] {
        self.times.get(token * self.columns..(token + 1) * self.columns).unwrap_or_default()
    }

    /// The log-probability of token number `at`; `drawn` is that of the distribution it was drawn
    /// from, which a temperature has bent.
    pub(crate) fn logprob(&self, at: usize, token: u32, drawn: f32) -> f32 {
        if self.temperature <= 0.0 {
            return drawn;
        }
        let last = || of(&self.before, token);
        self.logprobs.get(at).copied().or_else(last).unwrap_or(drawn)
    }

    fn step(&mut self, tokens: &[u32], logits: &mut [f32]) {
        if self.columns > 0 {
            let times = &logits[self.first_time..][..self.columns];
            self.times.extend(log_softmax(times, 1.0));
        }
        if self.temperature > 0.0 {
            let chosen = tokens.last().and_then(|&token| of(&self.before, token));
            self.logprobs.extend(chosen);
            self.before = log_softmax(logits, self.temperature).collect();
        }
        if self.ending.is_reached(tokens) {
            let end = logits[self.end];
            logits.fill(f32::NEG_INFINITY);
            logits[self.end] = end;
        }
    }
}

/// # Safety
/// As whisper.cpp calls it: `tokens` and `logits` are of their lengths, `steps` is a [`Steps`] that
/// nobody else uses meanwhile.
pub(crate) unsafe extern "C" fn at_each_step(
    _: *mut WhisperSysContext,
    _: *mut WhisperSysState,
    tokens: *const WhisperTokenData,
    tokens_len: c_int,
    logits: *mut f32,
    steps: *mut c_void,
) {
    // SAFETY: as this function asks.
    let steps = unsafe { &mut *steps.cast::<Steps>() };
    let ids: Vec<_> = match usize::try_from(tokens_len).unwrap_or(0) {
        0 => Vec::new(),
        // SAFETY: as this function asks; there is at least one token.
        len => unsafe { slice::from_raw_parts(tokens, len) }
            .iter()
            .map(|t| t.id.cast_unsigned())
            .collect(),
    };
    // SAFETY: as this function asks; there is a logit for each word.
    let logits = unsafe { slice::from_raw_parts_mut(logits, steps.vocabulary) };
    steps.step(&ids, logits);
}

/// Log-probabilities of logits times `scale`; none of them is below a million under the best.
fn log_softmax(logits: &[f32], scale: f32) -> impl Iterator<Item = f32> {
    let best = logits.iter().fold(f32::MIN, |a, &b| a.max(b)) * scale;
    let sum: f32 = logits.iter().map(|logit| (logit * scale - best).exp()).sum();
    let log_sum = sum.max(f32::MIN_POSITIVE).ln();
    logits.iter().map(move |logit| (logit * scale - best - log_sum).max(-1e6))
}

fn of(logprobs: &[f32], token: u32) -> Option<f32> {
    usize::try_from(token).ok().and_then(|token| logprobs.get(token)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six words of text, the end, then times.
    const END: u32 = 6;
    const FIRST_TIME: usize = 7;

    fn steps(columns: usize, temperature: f32) -> Steps {
        Steps {
            // A phrase that ends at step 2 is the last.
            ending: Ending::new(END, 7, 27 * 320, 4),
            end: 6,
            vocabulary: 12,
            first_time: FIRST_TIME,
            columns,
            times: Vec::new(),
            temperature,
            before: Vec::new(),
            logprobs: Vec::new(),
        }
    }

    #[test]
    fn a_step_tells_when_its_token_may_begin() {
        let mut steps = steps(3, 0.0);
        let mut logits = [0.0; 12];
        logits[FIRST_TIME + 1] = 2.0;
        steps.step(&[], &mut logits);
        let row = steps.times(0);
        assert!(row[1] > row[0] && row.len() == 3);
        assert!((row.iter().map(|p| p.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(steps.times(1).is_empty());
    }

    #[test]
    fn nobody_asks_and_nothing_is_kept() {
        let mut steps = steps(0, 0.0);
        steps.step(&[1], &mut [0.0; 12]);
        assert!(steps.times(0).is_empty() && steps.before.is_empty());
        assert!((steps.logprob(0, 1, -0.5) + 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_temperature_does_not_bend_the_probabilities_that_are_told() {
        let mut steps = steps(0, 0.5);
        // whisper.cpp divides by the temperature before it asks.
        let mut bent = [0.0; 12];
        bent[2] = 2.0 / 0.5;
        steps.step(&[], &mut bent.clone());
        steps.step(&[2], &mut bent);
        let straight = 2.0 - (2.0_f32.exp() + 11.0).ln();
        assert!((steps.logprob(0, 2, -0.1) - straight).abs() < 1e-4);
        assert!((steps.logprob(1, 2, -0.1) - straight).abs() < 1e-4, "the last is not seen again");
    }

    #[test]
    fn whisper_s_call_reaches_the_ending() {
        let mut steps = steps(0, 0.0);
        let mut logits = [0.5_f32; 12];
        // SAFETY: a token's data is plain numbers, for which zeros are valid.
        let mut tokens: [WhisperTokenData; 2] = unsafe { std::mem::zeroed() };
        (tokens[0].id, tokens[1].id) = (5, 10);
        let (context, state) = (std::ptr::null_mut(), std::ptr::null_mut());
        let argument = (&raw mut steps).cast();
        // SAFETY: everything is of the length that is given.
        unsafe { at_each_step(context, state, tokens.as_ptr(), 2, logits.as_mut_ptr(), argument) };
        let allowed: Vec<_> = (0..12).filter(|&t| logits[t] > f32::NEG_INFINITY).collect();
        assert_eq!(allowed, [6]);
    }
}
