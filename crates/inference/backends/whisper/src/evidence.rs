//! What speaks for and against a text being real speech.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use crate::understood::Understood;

/// Figures over one or more windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Evidence {
    logprob_sum: f32,
    tokens: u32,
    /// The least of the windows: where somebody spoke in one, somebody spoke.
    pub(crate) no_speech: f32,
    /// The greatest of the windows: one loop is one too many.
    pub(crate) compression_ratio: f32,
}

impl Evidence {
    /// Of silence.
    pub(crate) const NONE: Self =
        Self { logprob_sum: 0.0, tokens: 0, no_speech: 1.0, compression_ratio: 0.0 };

    /// Of one window.
    pub(crate) fn of(understood: &Understood) -> Self {
        Self {
            logprob_sum: understood.logprob_sum,
            tokens: understood.tokens,
            no_speech: understood.no_speech,
            compression_ratio: compression_ratio(&understood.text),
        }
    }

    /// Of this and the window after it.
    pub(crate) fn and(self, next: Self) -> Self {
        Self {
            logprob_sum: self.logprob_sum + next.logprob_sum,
            tokens: self.tokens + next.tokens,
            no_speech: self.no_speech.min(next.no_speech),
            compression_ratio: self.compression_ratio.max(next.compression_ratio),
        }
    }

    /// Mean log-probability of the tokens; 0 without any.
    pub(crate) fn avg_logprob(self) -> f32 {
        let tokens = u16::try_from(self.tokens.max(1)).unwrap_or(u16::MAX);
        self.logprob_sum / f32::from(tokens)
    }
}

/// Bytes of the text over its bytes compressed by zlib, as Whisper's authors measure loops: above
/// 2.4 a text repeats itself. 0 for no text.
#[expect(clippy::cast_precision_loss, reason = "texts are short")]
fn compression_ratio(text: &str) -> f32 {
    if text.is_empty() {
        return 0.0;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    packed.map_or(0.0, |packed| text.len() as f32 / packed.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str, logprob_sum: f32, tokens: u32, no_speech: f32) -> Understood {
        let (text, language) = (text.to_owned(), String::new());
        Understood { text, logprob_sum, tokens, no_speech, language, pieces: Vec::new() }
    }

    #[test]
    fn a_loop_compresses_far_better_than_a_sentence() {
        assert!(compression_ratio(&"Thank you. ".repeat(30)) > 2.4);
        assert!(compression_ratio("Drop the two when you add the figures.") < 1.2);
        assert!(compression_ratio("").abs() < f32::EPSILON);
    }

    #[test]
    fn windows_add_up_by_tokens() {
        let first = Evidence::of(&understood("good morning", -1.0, 2, 0.1));
        let second = Evidence::of(&understood("music music", -11.0, 4, 0.9));
        let both = first.and(second);
        assert!((both.avg_logprob() + 2.0).abs() < 1e-6);
        assert!((both.no_speech - 0.1).abs() < 1e-6);
    }

    #[test]
    fn silence_is_the_neutral_element() {
        let one = Evidence::of(&understood("good morning", -1.0, 2, 0.1));
        assert_eq!(Evidence::NONE.and(one), one);
        assert!(Evidence::NONE.avg_logprob().abs() < f32::EPSILON);
    }
}
