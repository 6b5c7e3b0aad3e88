//! The encoder (Wan et al. 2018, "Generalized end-to-end loss for speaker verification"): three LSTMs, a
//! linear layer without its negative numbers, length 1.

use std::{fs::File, io::BufReader, path::Path};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{
    Linear, Module, VarBuilder, linear,
    rnn::{LSTM, LSTMConfig, RNN, lstm},
};
use trunkline_inference::ModelError;

use crate::{checkpoint, mel::MELS};

/// Frames that the encoder sees at a time: 1.6 s.
pub(crate) const FRAMES: usize = 160;
/// Numbers in a vector, and in each layer's state.
pub(crate) const DIMENSIONS: usize = 256;
const LAYERS: usize = 3;

/// The encoder's layers.
pub(crate) struct Encoder {
    layers: Vec<LSTM>,
    linear: Linear,
}

impl Encoder {
    /// Loads `pretrained.pt` as Resemblyzer publishes it.
    pub(crate) fn load(path: &Path) -> std::result::Result<Self, ModelError> {
        let file = File::open(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        let read = checkpoint::read(&mut BufReader::new(file), "model_state");
        read.and_then(|tensors| {
            Self::new(&VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))
        })
        .map_err(|error| ModelError::Corrupt { path: path.to_owned(), reason: error.to_string() })
    }

    /// An encoder of these weights.
    pub(crate) fn new(weights: &VarBuilder<'_>) -> Result<Self> {
        let layer = |number| {
            let size = if number == 0 { MELS } else { DIMENSIONS };
            let config = LSTMConfig { layer_idx: number, ..LSTMConfig::default() };
            lstm(size, DIMENSIONS, config, weights.pp("lstm"))
        };
        let layers = (0..LAYERS).map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, linear: linear(DIMENSIONS, DIMENSIONS, weights.pp("linear"))? })
    }

    /// The vectors of some windows of [`FRAMES`] frames, one after the other in `spectrograms`.
    pub(crate) fn run(&self, spectrograms: &[f32]) -> Result<Vec<Vec<f32>>> {
        let windows = spectrograms.len() / (FRAMES * MELS);
        let mut states = Tensor::from_slice(spectrograms, (windows, FRAMES, MELS), &Device::Cpu)?;
        for layer in &self.layers {
            states = layer.states_to_tensor(&layer.seq(&states)?)?;
        }
        let last = states.narrow(1, FRAMES - 1, 1)?.squeeze(1)?.contiguous()?;
        let vectors = self.linear.forward(&last)?.relu()?.to_vec2()?;
        Ok(vectors.into_iter().map(unit).collect())
    }
}

/// The vector at length 1, or of zeros where it has none.
pub(crate) fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    for number in &mut vector {
        *number /= length.max(f32::MIN_POSITIVE);
    }
    vector
}

#[cfg(test)]
mod tests {
    use candle_nn::VarMap;

    use super::*;
    use crate::testbed::noise;

    fn encoder() -> Encoder {
        let weights = VarMap::new();
        Encoder::new(&VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu)).unwrap()
    }

    fn windows(count: usize) -> Vec<f32> {
        noise(count * FRAMES * MELS, 30_000).iter().map(|&n| f32::from(n).abs() / 3e4).collect()
    }

    #[test]
    fn windows_have_vectors_of_length_one_together_as_alone() {
        let (encoder, windows) = (encoder(), windows(3));
        let together = encoder.run(&windows).unwrap();
        assert_eq!(together.len(), 3);
        for (window, vector) in windows.chunks(FRAMES * MELS).zip(&together) {
            let alone = encoder.run(window).unwrap();
            let apart = alone[0].iter().zip(vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-5, "{apart}");
            assert!(vector.iter().all(|&number| number >= 0.0));
            let length = vector.iter().map(|number| number * number).sum::<f32>();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
        assert_ne!(together[0], together[1]);
    }

    #[test]
    fn a_vector_without_length_stays_finite() {
        assert_eq!(unit(vec![0.0; 4]), [0.0; 4]);
        assert_eq!(unit(vec![3.0, 4.0]), [0.6, 0.8]);
    }

    #[test]
    fn missing_and_broken_weights_are_told_with_their_path() {
        let path = std::env::temp_dir().join(format!("no-encoder-{}.pt", std::process::id()));
        let missing = Encoder::load(&path).err().unwrap();
        assert!(matches!(missing, ModelError::Missing { .. }), "{missing}");
        std::fs::write(&path, "not a checkpoint, but long enough to be looked at").unwrap();
        let broken = Encoder::load(&path).err().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(broken, ModelError::Corrupt { .. }), "{broken}");
    }
}
