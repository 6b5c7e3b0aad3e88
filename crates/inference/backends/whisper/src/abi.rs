//! What passes between this process and the whisper module: plain C layouts and one table of
//! functions. The module compiles this same file.

use std::ffi::{c_char, c_void};

use trunkline_boundary::{ErrorText, Status};

/// Raised whenever anything in this file changes. Both sides refuse another number.
pub(crate) const VERSION: u32 = 3;

/// A loaded model, owned by the module.
#[repr(C)]
pub(crate) struct ModelHandle {
    opaque: [u8; 0],
}

/// Working memory for one transcription at a time, owned by the module.
#[repr(C)]
pub(crate) struct StateHandle {
    opaque: [u8; 0],
}

/// What to transcribe and how. Every pointer lives until the call returns.
#[repr(C)]
pub(crate) struct Request {
    /// 16 kHz mono, -1..=1.
    pub(crate) samples: *const f32,
    pub(crate) samples_len: usize,
    /// ISO 639-1, ended by a zero; null has the model find out.
    pub(crate) language: *const c_char,
    /// UTF-8 of `prompt_len` bytes: what was said before, or words that are likely to come.
    pub(crate) prompt: *const u8,
    pub(crate) prompt_len: usize,
    /// Encoder positions, 50 a second; 0 is all 1500.
    pub(crate) audio_positions: u32,
    /// The same for finding out the language.
    pub(crate) language_positions: u32,
    /// Tokens after which decoding stops.
    pub(crate) most_tokens: u32,
    /// Text tokens beyond which a repetition is a loop.
    pub(crate) plausible_tokens: u32,
    /// Tokens of the prompt that are kept, the last ones.
    pub(crate) prompt_tokens: u32,
    pub(crate) threads: u32,
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// Whether to write down in English whatever was said; zero is no.
    pub(crate) translate: u8,
    /// What is told beside the text: 0 nothing, 1 pieces, 2 pieces and when each may begin.
    pub(crate) detail: u8,
    /// Asked between encoding and each token, on the calling thread; true gives up.
    pub(crate) abort: Option<unsafe extern "C" fn(*mut c_void) -> bool>,
    pub(crate) abort_argument: *mut c_void,
}

/// A token of the answer: of text, or a time between two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) id: u32,
    /// Natural logarithm of its probability.
    pub(crate) logprob: f32,
    /// How many bytes of the answer's text are its own, after those of the pieces before it.
    pub(crate) bytes_len: u32,
    /// A time token's time from the window's start, in steps of 20 ms; -1 for text.
    pub(crate) time: i32,
}

/// What was understood. What it points to belongs to the state and lives until its next call; none
/// of it is null.
#[repr(C)]
pub(crate) struct Answer {
    pub(crate) text: *const u8,
    pub(crate) text_len: usize,
    pub(crate) pieces: *const Piece,
    pub(crate) pieces_len: usize,
    /// For each piece, how probable it is that it begins at each step of 20 ms: natural logarithms,
    /// `times_len` in all, the same number for every piece.
    pub(crate) times: *const f32,
    pub(crate) times_len: usize,
    /// Sum of the tokens' log-probabilities.
    pub(crate) logprob_sum: f32,
    pub(crate) tokens: u32,
    /// 0..=1; 1 where there is no text.
    pub(crate) no_speech: f32,
    /// ISO 639-1 in two or three letters, rest zero.
    pub(crate) language: [u8; 4],
}

/// Everything the module does. None of it unwinds.
#[repr(C)]
pub(crate) struct Functions {
    pub(crate) version: u32,
    /// Loads a model file (a path ended by a zero); null and an error text on failure.
    pub(crate) load:
        unsafe extern "C" fn(*const c_char, LoadOptions, *mut ErrorText) -> *mut ModelHandle,
    pub(crate) free_model: unsafe extern "C" fn(*mut ModelHandle),
    /// Whether the model can listen for a language (as in a request) and, where the number is not
    /// zero, translate; an error text where it cannot.
    pub(crate) check:
        unsafe extern "C" fn(*const ModelHandle, *const c_char, u8, *mut ErrorText) -> Status,
    /// Null and an error text on failure. A state keeps its model alive.
    pub(crate) new_state:
        unsafe extern "C" fn(*const ModelHandle, *mut ErrorText) -> *mut StateHandle,
    pub(crate) free_state: unsafe extern "C" fn(*mut StateHandle),
    /// Not for two threads at once on one state.
    pub(crate) transcribe: unsafe extern "C" fn(
        *mut StateHandle,
        *const Request,
        *mut Answer,
        *mut ErrorText,
    ) -> Status,
}

/// How to load a model; zero is no.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct LoadOptions {
    pub(crate) gpu: u8,
    pub(crate) gpu_number: u32,
    pub(crate) flash_attention: u8,
}
