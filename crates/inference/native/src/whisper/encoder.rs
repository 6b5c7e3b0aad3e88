//! The encoder: from a spectrogram to what the decoder listens to.

use trunkline_inference::ModelError;

use super::{
    file::ModelFile,
    layers::{Mlp, Norm, Work, linear},
};
use crate::kernel::{
    attention,
    matrix::{After, Matrix},
    vector,
};

/// Frames that a convolution sees.
const KERNEL: usize = 3;

/// The encoder's weights.
pub(crate) struct Encoder {
    width: usize,
    mels: usize,
    convolutions: [Matrix; 2],
    /// `[audio_positions, width]`.
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: Norm,
}

struct Block {
    norm: Norm,
    /// Queries, keys and values.
    attend: Matrix,
    out: Matrix,
    mlp: Mlp,
}

impl Encoder {
    pub(crate) fn load(file: &ModelFile) -> Result<Self, ModelError> {
        let sizes = file.sizes;
        let width = sizes.width;
        let block = |layer| {
            let name = format!("encoder.blocks.{layer}");
            let attention = ["query", "key", "value"].map(|part| format!("{name}.attn.{part}"));
            Ok(Block {
                norm: Norm::load(file, &format!("{name}.attn_ln"))?,
                attend: linear(file, &attention, width, width)?,
                out: linear(file, &[format!("{name}.attn.out")], width, width)?,
                mlp: Mlp::load(file, &name)?,
            })
        };
        Ok(Self {
            width,
            mels: sizes.mels,
            convolutions: [
                convolution(file, "encoder.conv1", sizes.mels)?,
                convolution(file, "encoder.conv2", width)?,
            ],
            positions: file
                .tensor("encoder.positional_embedding", sizes.audio_positions * width)?,
            blocks: (0..sizes.audio_layers).map(block).collect::<Result<_, _>>()?,
            norm: Norm::load(file, "encoder.ln_post")?,
        })
    }

    /// Begins to encode a spectrogram `[frames, mels]`, `frames` even: `[frames / 2, width]`.
    pub(crate) fn begin(&self, features: &[f32], work: &mut Work) -> Vec<f32> {
        let frames = features.len() / self.mels;
        let [first, second] = &self.convolutions;
        let Work { wide, scratch, .. } = work;
        wide.resize(frames * self.width, 0.0);
        first.multiply(&neighbours(features, self.mels, 1), After::Gelu, wide, scratch);
        let mut rows = vec![0.0; frames / 2 * self.width];
        second.multiply(&neighbours(wide, self.width, 2), After::Gelu, &mut rows, scratch);
        vector::add(&mut rows, &self.positions);
        rows
    }

    /// How many layers follow.
    pub(crate) fn layers(&self) -> usize {
        self.blocks.len()
    }

    /// Runs one of them.
    pub(crate) fn layer(&self, layer: usize, rows: &mut [f32], work: &mut Work) {
        self.blocks[layer].run(rows, self.width, work);
    }

    /// What the decoder listens to, after all layers.
    pub(crate) fn finish(&self, rows: &[f32]) -> Vec<f32> {
        let mut encoded = Vec::new();
        self.norm.run(rows, &mut encoded);
        encoded
    }
}

impl Block {
    fn run(&self, rows: &mut [f32], width: usize, work: &mut Work) {
        let Work { normed, wide, mixed, scratch, .. } = work;
        self.norm.run(rows, normed);
        wide.resize(rows.len() * 3, 0.0);
        self.attend.multiply(normed, After::Put, wide, scratch);
        mixed.resize(rows.len(), 0.0);
        attention::everywhere(wide, width, mixed);
        self.out.multiply(mixed, After::Add, rows, scratch);
        self.mlp.run(rows, work);
    }
}

/// A convolution as a matrix `[width, 3 * inputs]`: the frame before, the frame, the frame after.
fn convolution(file: &ModelFile, name: &str, inputs: usize) -> Result<Matrix, ModelError> {
    let width = file.sizes.width;
    let given = file.tensor(&format!("{name}.weight"), width * inputs * KERNEL)?;
    let mut weights = vec![0.0; given.len()];
    for (n, weight) in given.into_iter().enumerate() {
        let (output, input, tap) = (n / KERNEL / inputs, n / KERNEL % inputs, n % KERNEL);
        weights[(output * KERNEL + tap) * inputs + input] = weight;
    }
    let bias = file.tensor(&format!("{name}.bias"), width)?;
    Ok(Matrix::new(&weights, &bias, KERNEL * inputs))
}

/// Of every `step`th row, the row before it, itself and the row after it, side by side.
fn neighbours(rows: &[f32], width: usize, step: usize) -> Vec<f32> {
    let count = rows.len() / width;
    let mut out = vec![0.0; count / step * KERNEL * width];
    for (n, to) in out.chunks_exact_mut(KERNEL * width).enumerate() {
        let middle = n * step;
        let first = usize::from(middle == 0);
        let last = KERNEL.min(count + 1 - middle);
        let from = (middle + first - 1) * width;
        to[first * width..last * width].copy_from_slice(&rows[from..from + (last - first) * width]);
    }
    out
}
