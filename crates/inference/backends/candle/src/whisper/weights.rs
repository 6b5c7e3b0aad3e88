//! From the model file to layers on a device.

use candle_core::{DType, Device, Tensor};
use candle_nn::{LayerNorm, Linear};
use trunkline_inference::ModelError;
use trunkline_native::ModelFile;

/// Frames that a convolution sees.
pub(crate) const KERNEL: usize = 3;
/// Numbers of a head.
pub(crate) const HEAD: usize = 64;
const EPSILON: f64 = 1e-5;

/// A file, and where its tensors go.
pub(crate) struct Weights<'a> {
    pub(crate) file: &'a ModelFile,
    pub(crate) device: &'a Device,
    /// Of all numbers.
    pub(crate) kind: DType,
}

impl Weights<'_> {
    /// A tensor of this shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let values = self.file.tensor(name, shape.iter().product())?;
        self.put(values, shape)
    }

    fn put(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ModelError> {
        // Brought to their kind before they travel.
        Tensor::from_vec(values, shape, &Device::Cpu)
            .and_then(|it| it.to_dtype(self.kind)?.to_device(self.device))
            .map_err(failed)
    }

    pub(crate) fn norm(&self, name: &str) -> Result<LayerNorm, ModelError> {
        let width = [self.file.sizes.width];
        let weight = self.tensor(&format!("{name}.weight"), &width)?;
        Ok(LayerNorm::new(weight, self.tensor(&format!("{name}.bias"), &width)?, EPSILON))
    }

    pub(crate) fn linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Linear::new(weight, Some(self.tensor(&format!("{name}.bias"), &[outputs])?)))
    }

    /// Parts of an attention as one layer. What queries and keys are divided by is in the queries.
    pub(crate) fn parts(&self, attention: &str, parts: &[&str]) -> Result<Linear, ModelError> {
        let width = self.file.sizes.width;
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for part in parts {
            let mut weight =
                self.file.tensor(&format!("{attention}.{part}.weight"), width * width)?;
            // Whisper's keys have no bias.
            let mut bias = match *part {
                "key" => vec![0.0; width],
                _ => self.file.tensor(&format!("{attention}.{part}.bias"), width)?,
            };
            if *part == "query" {
                let scale = 1.0 / (HEAD as f32).sqrt();
                weight.iter_mut().chain(&mut bias).for_each(|it| *it *= scale);
            }
            weights.extend(weight);
            biases.extend(bias);
        }
        let outputs = parts.len() * width;
        let weight = self.put(weights, &[outputs, width])?;
        Ok(Linear::new(weight, Some(self.put(biases, &[outputs])?)))
    }

    /// A convolution as a layer of the frame before, the frame and the frame after, side by side.
    pub(crate) fn convolution(&self, name: &str, inputs: usize) -> Result<Linear, ModelError> {
        let width = self.file.sizes.width;
        let given = self.file.tensor(&format!("{name}.weight"), width * inputs * KERNEL)?;
        let mut weight = vec![0.0; given.len()];
        for (n, value) in given.into_iter().enumerate() {
            let (output, input, tap) = (n / KERNEL / inputs, n / KERNEL % inputs, n % KERNEL);
            weight[(output * KERNEL + tap) * inputs + input] = value;
        }
        let weight = self.put(weight, &[width, KERNEL * inputs])?;
        Ok(Linear::new(weight, Some(self.tensor(&format!("{name}.bias"), &[width])?)))
    }
}

/// candle's failure as ours.
#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
pub(crate) fn failed(error: candle_core::Error) -> ModelError {
    ModelError::Engine { engine: "whisper", reason: error.to_string() }
}
