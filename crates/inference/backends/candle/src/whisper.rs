//! Whisper's layers through candle, many windows and many texts at a time: for GPUs.

mod attention;
mod decoder;
mod encoder;
#[cfg(test)]
mod tests;
mod weights;

use std::path::Path;

use candle_core::{DType, Device, Result as Computed, Tensor};
use trunkline_inference::ModelError;
use trunkline_native::{ModelFile, Network, Sizes, Text, Window};

use self::{
    decoder::Decoder,
    encoder::Encoder,
    weights::{Weights, failed},
};

/// Positions of windows that are encoded together: four of 30 s keep a large GPU busy, and what comes
/// meanwhile does not wait long.
const POSITIONS_AT_ONCE: usize = 6_000;

/// A Whisper on a device of candle's.
pub struct WhisperNetwork {
    sizes: Sizes,
    device: Device,
    encoder: Encoder,
    decoder: Decoder,
}

impl WhisperNetwork {
    /// Loads whisper.cpp's model file for so many desks: as floats on the CPU, or as halves on the GPU of this
    /// number, which [`ModelError::Engine`] tells is not to be had.
    pub fn load(path: &Path, desks: usize, gpu: Option<u32>) -> Result<Self, ModelError> {
        let file = ModelFile::open(path)?;
        let (device, kind) = match gpu {
            Some(number) => (Device::new_cuda(number as usize).map_err(failed)?, DType::F16),
            None => (Device::Cpu, DType::F32),
        };
        let weights = Weights { file: &file, device: &device, kind };
        Ok(Self {
            sizes: file.sizes,
            encoder: Encoder::load(&weights)?,
            decoder: Decoder::load(&weights, desks)?,
            device,
        })
    }

    fn encode_together(&mut self, windows: &[Window<'_>]) -> Computed<()> {
        let lengths: Vec<usize> = windows.iter().map(|window| window.positions).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let room = 2 * longest * self.sizes.mels;
        let mut features = vec![0.0_f32; windows.len() * room];
        for (window, to) in windows.iter().zip(features.chunks_exact_mut(room)) {
            to[..window.features.len()].copy_from_slice(window.features);
        }
        let shape = (windows.len(), 2 * longest, self.sizes.mels);
        let features = Tensor::from_vec(features, shape, &self.device)?;
        let encoded = self.encoder.run(&features, &lengths)?;
        for (n, window) in windows.iter().enumerate() {
            let one = encoded.narrow(0, n, 1)?.narrow(1, 0, window.positions)?.contiguous()?;
            self.decoder.listen(window.desk, &one)?;
        }
        Ok(())
    }
}

impl Network for WhisperNetwork {
    fn encode(&mut self, windows: &[Window<'_>]) -> Result<usize, String> {
        let together = together(windows);
        self.encode_together(&windows[..together]).map_err(|e| e.to_string())?;
        Ok(together)
    }

    fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Result<(), String> {
        self.decoder.read(texts, logits).map_err(|e| e.to_string())
    }

    fn forget(&mut self, desk: usize) {
        self.decoder.forget(desk);
    }
}

/// How many of the first windows are encoded together: they take the room of their longest.
fn together(windows: &[Window<'_>]) -> usize {
    let mut longest = 0;
    let fits = windows.iter().enumerate().take_while(|(n, window)| {
        longest = longest.max(window.positions);
        *n == 0 || (n + 1) * longest <= POSITIONS_AT_ONCE
    });
    fits.count()
}
