//! The table of a module that computes a Whisper's layers.

use std::ffi::c_char;

use crate::{ErrorText, Status};

/// Raised whenever anything in this file changes. Both sides refuse another number.
pub const VERSION: u32 = 2;
/// A function without arguments that gives the [`Functions`].
pub const SYMBOL: &str = "trunkline_whisper_network";

/// A loaded network, owned by the module.
#[repr(C)]
pub struct Handle {
    opaque: [u8; 0],
}

/// How to load one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Windows and texts at a time.
    pub desks: usize,
    /// Whether on a GPU; zero is no.
    pub gpu: u8,
    /// Which one, as CUDA numbers them.
    pub gpu_number: u32,
}

/// A window to encode.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Where its text will be written.
    pub desk: usize,
    /// `[2 * positions, mels]`, `features_len` numbers.
    pub features: *const f32,
    /// How many numbers.
    pub features_len: usize,
    /// Positions of the encoder.
    pub positions: usize,
}

/// A text's next tokens.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Where it is written.
    pub desk: usize,
    /// Tokens that were read before.
    pub position: usize,
    /// `tokens_len` tokens, at least one.
    pub tokens: *const u32,
    /// How many tokens.
    pub tokens_len: usize,
}

/// Everything the module does. What is pointed to need live only until the call returns.
#[repr(C)]
pub struct Functions {
    /// [`VERSION`].
    pub version: u32,
    /// Loads a model file (a path ended by a zero); null and an error text on failure.
    pub load: unsafe extern "C" fn(*const c_char, Options, *mut ErrorText) -> *mut Handle,
    /// Frees one.
    pub free: unsafe extern "C" fn(*mut Handle),
    /// Encodes some of so many windows; how many of the first is written to the number.
    pub encode: unsafe extern "C" fn(
        *mut Handle,
        *const Window,
        usize,
        *mut usize,
        *mut ErrorText,
    ) -> Status,
    /// Reads so many texts' tokens. The logits `[texts, words]` belong to the module and live until its next
    /// call; where they are and how many numbers they are is written.
    pub read: unsafe extern "C" fn(
        *mut Handle,
        *const Text,
        usize,
        *mut *const f32,
        *mut usize,
        *mut ErrorText,
    ) -> Status,
    /// Forgets what is known of a desk.
    pub forget: unsafe extern "C" fn(*mut Handle, usize),
}
