//! Samples as they are, with the head of a WAV file before them or without.

use trunkline_inference::ModelError;

use super::{Encoder, SPOKEN_HZ};

/// The size of a file whose end is not known yet.
const ENDLESS: u32 = u32::MAX;

/// 16-bit little-endian samples.
pub(super) struct Pcm {
    head: Vec<u8>,
}

impl Pcm {
    /// Samples only.
    pub(super) fn bare() -> Self {
        Self { head: Vec::new() }
    }

    /// A WAV file (RIFF, format 1) of unknown length.
    pub(super) fn with_head() -> Self {
        const BYTES: u16 = 2;
        let mut head = Vec::with_capacity(44);
        head.extend(b"RIFF");
        head.extend(ENDLESS.to_le_bytes());
        head.extend(b"WAVEfmt ");
        head.extend(16_u32.to_le_bytes());
        for half in [1, 1] {
            head.extend(u16::to_le_bytes(half));
        }
        head.extend(SPOKEN_HZ.to_le_bytes());
        head.extend((SPOKEN_HZ * u32::from(BYTES)).to_le_bytes());
        head.extend(BYTES.to_le_bytes());
        head.extend((BYTES * 8).to_le_bytes());
        head.extend(b"data");
        head.extend(ENDLESS.to_le_bytes());
        Self { head }
    }
}

impl Encoder for Pcm {
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, ModelError> {
        let mut bytes = std::mem::take(&mut self.head);
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<Vec<u8>, ModelError> {
        Ok(std::mem::take(&mut self.head))
    }
}
