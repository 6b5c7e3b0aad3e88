//! The encoder: windows of several lengths in one run.

use candle_core::{Result as Computed, Tensor};
use candle_nn::{LayerNorm, Linear, Module};
use trunkline_inference::ModelError;

use super::{
    attention::{Mlp, attend, heads, mask},
    weights::Weights,
};

pub(crate) struct Encoder {
    convolutions: [Linear; 2],
    /// `[positions, width]`.
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

struct Block {
    norm: LayerNorm,
    /// Queries, keys and values.
    attend: Linear,
    out: Linear,
    mlp: Mlp,
}

impl Encoder {
    pub(crate) fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let sizes = weights.file.sizes;
        let block = |layer| {
            let name = format!("encoder.blocks.{layer}");
            Ok(Block {
                norm: weights.norm(&format!("{name}.attn_ln"))?,
                attend: weights.parts(&format!("{name}.attn"), &["query", "key", "value"])?,
                out: weights.parts(&format!("{name}.attn"), &["out"])?,
                mlp: Mlp::load(weights, &name)?,
            })
        };
        Ok(Self {
            convolutions: [
                weights.convolution("encoder.conv1", sizes.mels)?,
                weights.convolution("encoder.conv2", sizes.width)?,
            ],
            positions: weights
                .tensor("encoder.positional_embedding", &[sizes.audio_positions, sizes.width])?,
            blocks: (0..sizes.audio_layers).map(block).collect::<Result<_, ModelError>>()?,
            norm: weights.norm("encoder.ln_post")?,
        })
    }

    /// Encodes spectrograms `[windows, frames, mels]`, zero behind their ends: `[windows, frames / 2,
    /// width]`. `lengths` are the windows' positions; what lies beyond them means nothing.
    pub(crate) fn run(&self, features: &Tensor, lengths: &[usize]) -> Computed<Tensor> {
        let (kind, device) = (self.positions.dtype(), features.device());
        let [first, second] = &self.convolutions;
        let rows = first.forward(&neighbours(&features.to_dtype(kind)?)?)?.gelu_erf()?;
        let rows = second.forward(&every_other(&rows)?)?.gelu_erf()?;
        let (windows, count, _) = rows.dims3()?;
        let mut rows = rows.broadcast_add(&self.positions.narrow(0, 0, count)?)?;
        let is_even = lengths.iter().all(|length| *length == count);
        let seen = |window: usize, _| lengths[window];
        let mask =
            if is_even { None } else { Some(mask((windows, 1, count), seen, kind, device)?) };
        for block in &self.blocks {
            rows = block.run(&rows, mask.as_ref())?;
        }
        self.norm.forward(&rows)
    }
}

impl Block {
    fn run(&self, rows: &Tensor, mask: Option<&Tensor>) -> Computed<Tensor> {
        let parts = heads(&self.attend.forward(&self.norm.forward(rows)?)?, 3)?;
        let mixed = attend(&parts[0], &parts[1], &parts[2], mask)?;
        self.mlp.run(&(rows + self.out.forward(&mixed)?)?)
    }
}

/// Of every row `[windows, rows, width]` the row before it, itself and the row after it, side by side.
fn neighbours(rows: &Tensor) -> Computed<Tensor> {
    let count = rows.dim(1)?;
    let padded = rows.pad_with_zeros(1, 1, 1)?;
    let parts = [padded.narrow(1, 0, count)?, rows.clone(), padded.narrow(1, 2, count)?];
    Tensor::cat(&parts, 2)
}

/// The same of every second row, the first one first.
fn every_other(rows: &Tensor) -> Computed<Tensor> {
    let (windows, count, width) = rows.dims3()?;
    let pairs = rows.reshape((windows, count / 2, 2, width))?;
    let [even, odd] = [pairs.narrow(2, 0, 1)?.squeeze(2)?, pairs.narrow(2, 1, 1)?.squeeze(2)?];
    let before = odd.pad_with_zeros(1, 1, 0)?.narrow(1, 0, count / 2)?;
    Tensor::cat(&[before, even, odd], 2)
}
