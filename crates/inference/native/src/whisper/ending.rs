//! Where a text ends. A window cut to its sound lacks the silence that tells Whisper to stop: it
//! says everything again, until something stops it.

/// A time token stands for 20 ms.
const SAMPLES_PER_TIME: usize = 320;
/// A phrase that ends in the last half second of the sound is the last one.
const ENDING_TIMES: usize = 25;
/// Nobody says this many tokens twice in a row; Whisper does, at the end of a window.
const LONG_REPEAT: usize = 6;

/// What tells the end of one transcription.
pub(crate) struct Ending {
    /// The end-of-text token; text tokens are below it.
    end: u32,
    /// The first time token after which no speech is left.
    last_time: u32,
    /// More text tokens than this may be a loop.
    plausible: usize,
}

impl Ending {
    /// For a window of this many samples; more than `plausible` text tokens may be a loop. `end` is the
    /// end-of-text token, `first_time` the one of time 0.
    pub(crate) fn new(end: u32, first_time: u32, samples: usize, plausible: usize) -> Self {
        let times = (samples / SAMPLES_PER_TIME).saturating_sub(ENDING_TIMES).max(1);
        Self {
            end,
            last_time: first_time + u32::try_from(times).unwrap_or(u32::MAX / 2),
            plausible,
        }
    }

    /// Whether a token stands for text.
    pub(crate) fn is_text(&self, token: u32) -> bool {
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

    /// Whether nothing but the end may follow these tokens.
    pub(crate) fn is_reached(&self, tokens: &[u32]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 1_000;
    const ZERO: u32 = 2_000;

    /// For two seconds of sound: 13 tokens are plausible, a phrase ending at 1.5 s is the last.
    fn ending() -> Ending {
        Ending { end: END, last_time: ZERO + 75, plausible: 13 }
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
        assert_eq!(ending().keep::<u32>(&[]), 0);
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
}
