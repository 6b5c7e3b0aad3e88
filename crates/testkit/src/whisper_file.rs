//! A Whisper of random weights, as a file of whisper.cpp's: what it says matters less than that it says it
//! always.

use std::io::{self, Write};

const MAGIC: u32 = 0x6767_6d6c;
/// Bins of a frame's spectrum.
const BINS: usize = 201;
const F32: usize = 0;
const F16: usize = 1;

/// The sizes of a Whisper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhisperShape {
    /// Tokens that it knows: 51864 of English, more of many languages.
    pub words: usize,
    /// Encoder positions of its longest window.
    pub audio_positions: usize,
    /// Numbers of a position, a multiple of 64.
    pub width: usize,
    /// The encoder's layers.
    pub audio_layers: usize,
    /// Tokens that it reads at most.
    pub text_positions: usize,
    /// The decoder's layers.
    pub text_layers: usize,
    /// Numbers of a frame of the spectrogram.
    pub mels: usize,
}

impl WhisperShape {
    /// A model of English, small enough for any test.
    pub const SMALL: Self = Self {
        words: 51_864,
        audio_positions: 60,
        width: 64,
        audio_layers: 1,
        text_positions: 24,
        text_layers: 1,
        mels: 4,
    };
    /// Whisper large-v3-turbo.
    pub const TURBO: Self = Self {
        words: 51_866,
        audio_positions: 1_500,
        width: 1_280,
        audio_layers: 32,
        text_positions: 448,
        text_layers: 4,
        mels: 128,
    };

    /// Writes a model of this shape; every number is an `f32`, or those of matrices are `f16`.
    pub fn write(self, to: &mut impl Write, halves: bool) -> io::Result<()> {
        File { to, shape: self, halves, seed: 1 }.whole()
    }

    /// A small file in memory, of `f32`.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes, false).expect("memory takes what is written");
        bytes
    }
}

/// A model file being written.
struct File<'a, W> {
    to: &'a mut W,
    shape: WhisperShape,
    halves: bool,
    seed: u32,
}

impl<W: Write> File<'_, W> {
    fn number(&mut self, number: usize) -> io::Result<()> {
        let number = u32::try_from(number).map_err(io::Error::other)?;
        self.to.write_all(&number.to_le_bytes())
    }

    fn value(&mut self, scale: f32) -> f32 {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The upper 16 bits are the random ones, and are exact in a float.
        let upper = u16::try_from(self.seed >> 16).unwrap_or(0);
        (f32::from(upper) / 32_768.0 - 1.0) * scale
    }

    fn tensor(&mut self, name: &str, dimensions: &[usize], scale: f32) -> io::Result<()> {
        let halves = self.halves && dimensions.len() > 1 && !name.contains("bias");
        self.number(dimensions.len())?;
        self.number(name.len())?;
        self.number(if halves { F16 } else { F32 })?;
        for &dimension in dimensions.iter().rev() {
            self.number(dimension)?;
        }
        self.to.write_all(name.as_bytes())?;
        for _ in 0..dimensions.iter().product() {
            let value = self.value(scale);
            if halves {
                self.to.write_all(&half::f16::from_f32(value).to_le_bytes())?;
            } else {
                self.to.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn norm(&mut self, name: &str) -> io::Result<()> {
        let width = [self.shape.width];
        self.tensor(&format!("{name}.weight"), &width, 1.0)?;
        self.tensor(&format!("{name}.bias"), &width, 0.1)
    }

    /// Of weights that keep the size of what passes, whatever the width.
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> io::Result<()> {
        self.tensor(&format!("{name}.weight"), &[outputs, inputs], scale(inputs))?;
        if name.ends_with("key") {
            return Ok(());
        }
        self.tensor(&format!("{name}.bias"), &[outputs], 0.1)
    }

    fn block(&mut self, name: &str, attentions: &[&str]) -> io::Result<()> {
        let width = self.shape.width;
        for attention in attentions {
            self.norm(&format!("{name}.{attention}_ln"))?;
            for part in ["query", "key", "value", "out"] {
                self.linear(&format!("{name}.{attention}.{part}"), width, width)?;
            }
        }
        self.norm(&format!("{name}.mlp_ln"))?;
        self.linear(&format!("{name}.mlp.0"), 4 * width, width)?;
        self.linear(&format!("{name}.mlp.2"), width, 4 * width)
    }

    fn head(&mut self) -> io::Result<()> {
        let WhisperShape { words, audio_positions, width, audio_layers, .. } = self.shape;
        let WhisperShape { text_positions, text_layers, mels, .. } = self.shape;
        let heads = width / 64;
        self.to.write_all(&MAGIC.to_le_bytes())?;
        let encoder = [words, audio_positions, width, heads, audio_layers];
        for size in encoder.into_iter().chain([text_positions, width, heads, text_layers, mels, 0])
        {
            self.number(size)?;
        }
        self.number(mels)?;
        self.number(BINS)?;
        for _ in 0..mels * BINS {
            let value = self.value(0.01);
            self.to.write_all(&value.to_le_bytes())?;
        }
        self.number(2)?;
        for word in [" ", " yes"] {
            self.number(word.len())?;
            self.to.write_all(word.as_bytes())?;
        }
        Ok(())
    }

    fn whole(mut self) -> io::Result<()> {
        let WhisperShape { words, audio_positions, width, audio_layers, .. } = self.shape;
        let WhisperShape { text_positions, text_layers, mels, .. } = self.shape;
        self.head()?;
        self.tensor("encoder.positional_embedding", &[audio_positions, width], 0.1)?;
        for (name, inputs) in [("encoder.conv1", mels), ("encoder.conv2", width)] {
            self.tensor(&format!("{name}.weight"), &[width, inputs, 3], scale(3 * inputs))?;
            self.tensor(&format!("{name}.bias"), &[width, 1], 0.1)?;
        }
        self.norm("encoder.ln_post")?;
        for layer in 0..audio_layers {
            self.block(&format!("encoder.blocks.{layer}"), &["attn"])?;
        }
        self.tensor("decoder.positional_embedding", &[text_positions, width], 0.1)?;
        // So far apart that texts are often more probable than all times together.
        self.tensor("decoder.token_embedding.weight", &[words, width], 5.0 * scale(width))?;
        self.norm("decoder.ln")?;
        for layer in 0..text_layers {
            self.block(&format!("decoder.blocks.{layer}"), &["attn", "cross_attn"])?;
        }
        Ok(())
    }
}

/// The largest weight of so many inputs: random ones are evenly distributed, so that their sum is about as
/// large as an input.
fn scale(inputs: usize) -> f32 {
    let inputs = u16::try_from(inputs).map_or(f32::MAX, f32::from);
    2.4 / inputs.sqrt()
}
