//! Where a text ends. A window cut to its sound lacks the silence that tells Whisper to stop: it
//! says everything again, until something stops it.

#![expect(unsafe_code, reason = "whisper.cpp asks through a C callback")]

use std::{
    ffi::{c_int, c_void},
    slice,
};

use whisper_rs::{WhisperContext, WhisperSysContext, WhisperSysState, WhisperTokenData};

/// Whisper hears 16 kHz.
const RATE_HZ: usize = 16_000;
/// A time token stands for 20 ms.
const SAMPLES_PER_TIME: usize = 320;
/// A phrase that ends in the last half second of the sound is the last one.
const ENDING_TIMES: usize = 25;
/// People stay below this; more is worth a look for repetition.
const TOKENS_PER_SECOND: usize = 5;
const SPARE_TOKENS: usize = 3;
/// Nobody says this many tokens twice in a row; Whisper does, at the end of a window.
const LONG_REPEAT: usize = 6;

/// What tells the end of one transcription.
pub(crate) struct Ending {
    /// The end-of-text token; text tokens are below it.
    end: c_int,
    /// The first time token after which no speech is left.
    last_time: c_int,
    /// More text tokens than this may be a loop.
    plausible: usize,
    vocabulary: usize,
}

impl Ending {
    /// For a window of this many samples.
    pub(crate) fn new(context: &WhisperContext, samples: usize) -> Self {
        let times = (samples / SAMPLES_PER_TIME).saturating_sub(ENDING_TIMES).max(1);
        Self {
            end: context.token_eot(),
            last_time: context.token_beg() + c_int::try_from(times).unwrap_or(c_int::MAX / 2),
            plausible: samples * TOKENS_PER_SECOND / RATE_HZ + SPARE_TOKENS,
            vocabulary: usize::try_from(context.n_vocab()).unwrap_or(0),
        }
    }

    /// Whether a token stands for text.
    pub(crate) fn is_text(&self, token: c_int) -> bool {
        token < self.end
    }

    /// How many of these text tokens (numbers or spellings) to keep: all, or those before the text
    /// begins to repeat itself.
    pub(crate) fn keep<T: PartialEq>(&self, text: &[T]) -> usize {
        let shortest = if text.len() > self.plausible { 1 } else { LONG_REPEAT };
        let repeats = |&n: &usize| text[text.len() - n..] == text[text.len() - 2 * n..][..n];
        let Some(period) = (shortest..=text.len() / 2).find(repeats) else { return text.len() };
        let differs = (0..text.len() - period).rev().find(|&i| text[i] != text[i + period]);
        differs.map_or(0, |i| i + 1) + period
    }

    fn is_reached(&self, tokens: &[c_int]) -> bool {
        if let [.., before, last] = tokens
            && self.is_text(*before)
            && *last >= self.last_time
        {
            return true;
        }
        let text: Vec<_> = tokens.iter().copied().filter(|&t| self.is_text(t)).collect();
        self.keep(&text) < text.len()
    }
}

/// Allows nothing but the end once it is reached.
///
/// # Safety
/// As whisper.cpp calls it: `tokens` and `logits` are of their lengths, `ending` is an [`Ending`].
pub(crate) unsafe extern "C" fn end_in_time(
    _: *mut WhisperSysContext,
    _: *mut WhisperSysState,
    tokens: *const WhisperTokenData,
    tokens_len: c_int,
    logits: *mut f32,
    ending: *mut c_void,
) {
    let tokens_len = usize::try_from(tokens_len).unwrap_or(0);
    if tokens_len == 0 {
        return;
    }
    // SAFETY: as this function asks; there is at least one token.
    let (tokens, ending) =
        unsafe { (slice::from_raw_parts(tokens, tokens_len), &*ending.cast::<Ending>()) };
    let ids: Vec<_> = tokens.iter().map(|t| t.id).collect();
    if !ending.is_reached(&ids) {
        return;
    }
    // SAFETY: as this function asks; there is a logit for each word.
    let logits = unsafe { slice::from_raw_parts_mut(logits, ending.vocabulary) };
    for (token, logit) in (0..).zip(logits) {
        if token != ending.end {
            *logit = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: c_int = 1_000;
    const ZERO: c_int = 2_000;

    /// For two seconds of sound: 13 tokens are plausible, a phrase ending at 1.5 s is the last.
    fn ending() -> Ending {
        Ending { end: END, last_time: ZERO + 75, plausible: 13, vocabulary: 3_000 }
    }

    #[test]
    fn a_phrase_that_ends_with_the_sound_is_the_last() {
        assert!(ending().is_reached(&[ZERO, 5, 6, ZERO + 80]));
        assert!(!ending().is_reached(&[ZERO, 5, 6, ZERO + 40]));
        assert!(!ending().is_reached(&[ZERO, 5, 6]));
        assert!(!ending().is_reached(&[ZERO + 80]));
    }

    #[test]
    fn a_text_said_again_and_again_is_kept_once() {
        let said = [1, 2, 3, 4, 5, 6];
        assert_eq!(ending().keep(&said.repeat(3)), 6);
        assert_eq!(ending().keep(&said.repeat(4)[..17]), 6);
        let led_in = [vec![9, 8], said.repeat(3)].concat();
        assert_eq!(ending().keep(&led_in), 8);
    }

    #[test]
    fn what_can_be_said_in_the_time_is_kept_whole() {
        assert_eq!(ending().keep(&[7; 11]), 11);
        let long: Vec<_> = (0..40).collect();
        assert_eq!(ending().keep(&long), 40);
        assert_eq!(ending().keep::<c_int>(&[]), 0);
    }

    #[test]
    fn a_long_phrase_is_kept_once_even_where_there_was_time_for_two() {
        let phrase = [1, 2, 3, 4, 5, 6];
        assert_eq!(ending().keep(&phrase.repeat(2)), 6);
        assert_eq!(ending().keep(&phrase[..5].repeat(2)), 10);
    }

    #[test]
    fn a_loop_without_times_reaches_its_end() {
        assert!(ending().is_reached(&[1, 2, 3].repeat(5)));
        assert!(!ending().is_reached(&[1, 2, 3].repeat(3)));
    }

    #[test]
    fn at_the_end_only_the_end_is_allowed() {
        let mut logits = vec![0.5_f32; 3_000];
        let mut ending = ending();
        // SAFETY: a token's data is plain numbers, for which zeros are valid.
        let mut tokens: [WhisperTokenData; 2] = unsafe { std::mem::zeroed() };
        (tokens[0].id, tokens[1].id) = (5, ZERO + 90);
        let argument = (&raw mut ending).cast();
        let (context, state) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: everything is of the length that is given.
        unsafe {
            end_in_time(context, state, tokens.as_ptr(), 2, logits.as_mut_ptr(), argument);
        }
        let allowed: Vec<_> = (0..3_000).filter(|&t| logits[t] > f32::NEG_INFINITY).collect();
        assert_eq!(allowed, [1_000]);
    }
}
