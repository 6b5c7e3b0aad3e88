//! The layers that encoder and decoder share.

use trunkline_inference::ModelError;

use super::file::ModelFile;
use crate::kernel::{
    matrix::{After, Matrix, Scratch},
    vector,
};

/// Brings rows to mean 0 and variance 1.
pub(crate) struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    pub(crate) fn load(file: &ModelFile, name: &str) -> Result<Self, ModelError> {
        let width = file.sizes.width;
        let part = |part| file.tensor(&format!("{name}.{part}"), width);
        Ok(Self { gain: part("weight")?, bias: part("bias")? })
    }

    pub(crate) fn run(&self, rows: &[f32], to: &mut Vec<f32>) {
        let width = self.gain.len();
        to.resize(rows.len(), 0.0);
        for (row, to) in rows.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
            vector::layer_norm(row, &self.gain, &self.bias, to);
        }
    }
}

/// A linear layer of these tensors, one below the other; only some have a bias.
pub(crate) fn linear(
    file: &ModelFile,
    names: &[String],
    inputs: usize,
    outputs: usize,
) -> Result<Matrix, ModelError> {
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for name in names {
        weights.extend(file.tensor(&format!("{name}.weight"), inputs * outputs)?);
        // Whisper's keys have none.
        if name.rsplit('.').next() == Some("key") {
            bias.resize(bias.len() + outputs, 0.0);
        } else {
            bias.extend(file.tensor(&format!("{name}.bias"), outputs)?);
        }
    }
    Ok(Matrix::new(&weights, &bias, inputs))
}

/// The two layers after an attention.
pub(crate) struct Mlp {
    norm: Norm,
    up: Matrix,
    down: Matrix,
}

impl Mlp {
    pub(crate) fn load(file: &ModelFile, block: &str) -> Result<Self, ModelError> {
        let width = file.sizes.width;
        Ok(Self {
            norm: Norm::load(file, &format!("{block}.mlp_ln"))?,
            up: linear(file, &[format!("{block}.mlp.0")], width, 4 * width)?,
            down: linear(file, &[format!("{block}.mlp.2")], 4 * width, width)?,
        })
    }

    /// Adds what it makes of the rows to them.
    pub(crate) fn run(&self, rows: &mut [f32], work: &mut Work) {
        let Work { normed, wide, scratch, .. } = work;
        self.norm.run(rows, normed);
        wide.resize(rows.len() * 4, 0.0);
        self.up.multiply(normed, After::Gelu, wide, scratch);
        self.down.multiply(wide, After::Add, rows, scratch);
    }
}

/// Working memory, kept from layer to layer.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) normed: Vec<f32>,
    pub(crate) wide: Vec<f32>,
    pub(crate) mixed: Vec<f32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scratch: Scratch,
}
