//! The steps that make a file from others.

use std::{path::Path, str::FromStr};

use crate::weights::{self, Quantisation};

/// A step that makes a model's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// CTranslate2 Whisper weights to ggml with 16-bit floats.
    WhisperF16,
    /// CTranslate2 Whisper weights to ggml with bfloat16 matrices.
    WhisperBf16,
    /// CTranslate2 Whisper weights to ggml with 8-bit blocks.
    WhisperQ8,
}

/// What carries a conversion out: the step, the folder of its inputs, the file to make, and who is
/// told the bytes done and to do. Says in words what went wrong.
pub type Converter = fn(Conversion, &Path, &Path, &mut dyn FnMut(u64, u64)) -> Result<(), String>;

impl Conversion {
    /// Its name in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhisperF16 => "whisper-ggml-f16",
            Self::WhisperBf16 => "whisper-ggml-bf16",
            Self::WhisperQ8 => "whisper-ggml-q8_0",
        }
    }

    /// Carries it out.
    pub(crate) fn run(
        self,
        inputs: &Path,
        out: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), String> {
        let quantisation = match self {
            Self::WhisperF16 => Quantisation::F16,
            Self::WhisperBf16 => Quantisation::Bf16,
            Self::WhisperQ8 => Quantisation::Q8_0,
        };
        weights::convert_whisper(inputs, out, quantisation, progress)
            .map_err(|error| error.to_string())
    }
}

impl FromStr for Conversion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::WhisperF16, Self::WhisperBf16, Self::WhisperQ8];
        all.into_iter().find(|step| step.as_str() == name).ok_or_else(|| {
            let known = all.map(Self::as_str).join(", ");
            format!("{name:?} is no conversion: there are {known}")
        })
    }
}
