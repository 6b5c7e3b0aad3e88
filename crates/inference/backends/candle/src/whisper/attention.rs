//! Attention of many rows to what each of them may see.

use candle_core::{DType, Device, Result as Computed, Tensor};
use candle_nn::{LayerNorm, Linear, Module, ops};
use trunkline_inference::ModelError;

use super::weights::{HEAD, Weights};

/// A weight that nothing is left of.
const NEVER: f32 = -1e4;

/// Rows `[texts, rows, parts * width]` as heads, part by part: `[texts, heads, rows, HEAD]` each.
pub(crate) fn heads(rows: &Tensor, parts: usize) -> Computed<Vec<Tensor>> {
    let (texts, count, width) = rows.dims3()?;
    let rows = rows.reshape((texts, count, parts, width / parts / HEAD, HEAD))?;
    (0..parts)
        .map(|part| rows.narrow(2, part, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous())
        .collect()
}

/// What queries make of values by keys, all `[texts, heads, rows, HEAD]`: `[texts, rows, width]`. The mask
/// is added to the weights.
pub(crate) fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Computed<Tensor> {
    let mut weights = queries.matmul(&keys.transpose(2, 3)?)?;
    if let Some(mask) = mask {
        weights = weights.broadcast_add(mask)?;
    }
    let mixed = ops::softmax_last_dim(&weights)?.matmul(values)?;
    mixed.transpose(1, 2)?.contiguous()?.flatten_from(2)
}

/// A mask `[texts, 1, rows, columns]`: text `n` sees in row `r` its first `seen(n, r)` columns.
pub(crate) fn mask(
    (texts, rows, columns): (usize, usize, usize),
    seen: impl Fn(usize, usize) -> usize,
    kind: DType,
    device: &Device,
) -> Computed<Tensor> {
    let mut mask = vec![0.0_f32; texts * rows * columns];
    for (n, row) in mask.chunks_exact_mut(columns.max(1)).enumerate() {
        row[seen(n / rows, n % rows).min(columns)..].fill(NEVER);
    }
    Tensor::from_vec(mask, (texts, 1, rows, columns), device)?.to_dtype(kind)
}

/// The two layers after an attention.
pub(crate) struct Mlp {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Mlp {
    pub(crate) fn load(weights: &Weights<'_>, block: &str) -> Result<Self, ModelError> {
        let width = weights.file.sizes.width;
        Ok(Self {
            norm: weights.norm(&format!("{block}.mlp_ln"))?,
            up: weights.linear(&format!("{block}.mlp.0"), width, 4 * width)?,
            down: weights.linear(&format!("{block}.mlp.2"), 4 * width, width)?,
        })
    }

    /// The rows and what it makes of them.
    pub(crate) fn run(&self, rows: &Tensor) -> Computed<Tensor> {
        let wide = self.up.forward(&self.norm.forward(rows)?)?.gelu_erf()?;
        rows + self.down.forward(&wide)?
    }
}
