//! What a model understood in one window, copied out of the module's answer.

#![expect(unsafe_code, reason = "an answer is C pointers")]

use std::{ffi::CStr, slice};

use trunkline_inference::SttToken;

use crate::abi::{self, Answer};

/// What the model understood in a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Understood {
    /// Trimmed.
    pub(crate) text: String,
    /// Sum of the tokens' log-probabilities.
    pub(crate) logprob_sum: f32,
    pub(crate) tokens: u32,
    /// 0..=1; 1 where there is no text.
    pub(crate) no_speech: f32,
    /// ISO 639-1.
    pub(crate) language: String,
    /// Its tokens and the times between them, where they were asked for.
    pub(crate) pieces: Vec<Piece>,
}

/// A token of text, or a time between two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(Token),
    /// Cells of 20 ms from the window's start: where a passage begins or ends.
    Time(usize),
}

/// A token of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Token {
    pub(crate) token: SttToken,
    /// Log-probability that it begins at each cell of 20 ms; empty where nobody asked.
    pub(crate) begins: Vec<f32>,
}

impl Understood {
    /// Copies an answer.
    ///
    /// # Safety
    /// The answer is the module's, and its state has not been called since.
    pub(crate) unsafe fn of(answer: &Answer) -> Self {
        // SAFETY: the module's pointers are not null, and of these lengths while its state rests.
        let (text, pieces, times) = unsafe {
            (
                slice::from_raw_parts(answer.text, answer.text_len),
                slice::from_raw_parts(answer.pieces, answer.pieces_len),
                slice::from_raw_parts(answer.times, answer.times_len),
            )
        };
        let language = CStr::from_bytes_until_nul(&answer.language).unwrap_or_default();
        Self {
            text: String::from_utf8_lossy(text).trim().to_owned(),
            logprob_sum: answer.logprob_sum,
            tokens: answer.tokens,
            no_speech: answer.no_speech,
            language: language.to_string_lossy().into_owned(),
            pieces: Piece::all(text, pieces, times),
        }
    }
}

impl Piece {
    fn all(mut text: &[u8], pieces: &[abi::Piece], times: &[f32]) -> Vec<Self> {
        let columns = times.len().checked_div(pieces.len()).unwrap_or(0);
        let piece = |(at, piece): (usize, &abi::Piece)| {
            if let Ok(time) = usize::try_from(piece.time) {
                return Self::Time(time);
            }
            let length = usize::try_from(piece.bytes_len).unwrap_or(0);
            let (bytes, rest) = text.split_at(length.min(text.len()));
            text = rest;
            let token = SttToken { id: piece.id, bytes: bytes.to_vec(), logprob: piece.logprob };
            Self::Text(Token { token, begins: times[at * columns..(at + 1) * columns].to_vec() })
        };
        pieces.iter().enumerate().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c_piece(id: u32, bytes_len: u32, time: i32) -> abi::Piece {
        abi::Piece { id, logprob: -0.5, bytes_len, time }
    }

    #[test]
    fn an_answer_comes_apart_into_tokens_and_times() {
        let c_pieces = [c_piece(9, 0, 3), c_piece(1, 4, -1), c_piece(2, 2, -1), c_piece(8, 0, 40)];
        let times = [0.0, 0.1, 1.0, 1.1, 2.0, 2.1, 3.0, 3.1];
        let (text, mut language) = (b" y\xc3\xa9s.", [0; 4]);
        language[..2].copy_from_slice(b"fr");
        let answer = Answer {
            text: text.as_ptr(),
            text_len: text.len(),
            pieces: c_pieces.as_ptr(),
            pieces_len: c_pieces.len(),
            times: times.as_ptr(),
            times_len: times.len(),
            logprob_sum: -1.0,
            tokens: 2,
            no_speech: 0.1,
            language,
        };
        // SAFETY: the answer points at what lives here.
        let understood = unsafe { Understood::of(&answer) };
        assert_eq!((understood.text.as_str(), understood.language.as_str()), ("yés.", "fr"));
        let token = |id, bytes: &[u8], begins: [f32; 2]| {
            let token = SttToken { id, bytes: bytes.to_vec(), logprob: -0.5 };
            Piece::Text(Token { token, begins: begins.to_vec() })
        };
        let expected = [
            Piece::Time(3),
            token(1, " y\u{e9}".as_bytes(), [1.0, 1.1]),
            token(2, b"s.", [2.0, 2.1]),
            Piece::Time(40),
        ];
        assert_eq!(understood.pieces, expected);
    }

    #[test]
    fn without_times_no_token_has_any() {
        let pieces = Piece::all(b"yes", &[c_piece(1, 3, -1)], &[]);
        let token = SttToken { id: 1, bytes: b"yes".to_vec(), logprob: -0.5 };
        assert_eq!(pieces, [Piece::Text(Token { token, begins: Vec::new() })]);
    }
}
