//! Decoder-only language models (Llama, Qwen2, Qwen3): tokens in, what may come next out, for several
//! sequences at once.

mod attention;
mod layer;
mod memory;
mod reader;
mod rotation;
mod weights;

use trunkline_inference::ModelError;

use self::{
    layer::Layer,
    memory::{Kept, Memory},
    rotation::Rotation,
};
pub use self::{
    reader::{Halt, Reader, Room, Threads},
    rotation::Pairs,
    weights::{Tensor, is_matrix_kind, matrix_bytes},
};
use crate::kernel::{blocks::Blocks, vector};

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LanguageSizes {
    /// Layers.
    pub layers: usize,
    /// Numbers of a position.
    pub width: usize,
    /// Numbers between the two matrices after an attention.
    pub hidden: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// What is added to the mean square of a norm.
    pub norm_floor: f32,
    /// Positions in which the slowest pair of numbers turns about once.
    pub rotation_base: f32,
    /// Numbers of a head that turn.
    pub rotated: usize,
    /// Which of them make a pair.
    pub pairs: Pairs,
}

/// A token to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub token: u32,
    /// Its place in the sequence, from 0; all before it have been evaluated or come before it in the step.
    pub position: usize,
    /// Its sequence, from 0. Rows of a sequence come one after the other.
    pub sequence: usize,
    /// Whether it is to be told what may come after it.
    pub is_sampled: bool,
}

/// A loaded model. It does not change; whoever evaluates has a [`Reader`].
pub struct LanguageModel {
    sizes: LanguageSizes,
    embeddings: Blocks,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// What a token's logit is made with; the embeddings where there is none.
    output: Option<Blocks>,
    rotation: Rotation,
}

impl LanguageSizes {
    /// Bytes of keys and values, at most.
    pub fn memory_bytes(&self, room: Room) -> usize {
        Memory::bytes(self.kept(), room.sequences, room.tokens)
    }

    /// Bytes that a row of a step works with, its logits left out.
    pub fn row_bytes(&self) -> usize {
        let kept = 2 * self.kv_heads * self.head;
        let numbers = 4 * self.width + 2 * self.heads * self.head + kept + 2 * self.hidden;
        // And the widest row brought to 8 bits.
        numbers * size_of::<f32>() + 2 * self.hidden
    }

    fn kept(&self) -> Kept {
        Kept { layers: self.layers, heads: self.kv_heads, head: self.head }
    }
}

impl LanguageModel {
    /// Loads a model; `tensor` gives those of its file by GGUF's names, `None` for one that is not there.
    ///
    /// Says [`ModelError::Engine`] of one that cannot be used.
    pub fn load(
        sizes: LanguageSizes,
        tensor: &dyn Fn(&str) -> Result<Option<Tensor>, ModelError>,
    ) -> Result<Self, ModelError> {
        weights::Source { sizes, tensor }.model()
    }

    /// Whether this processor has what makes it fast; elsewhere llama.cpp is faster.
    pub fn is_fast_here() -> bool {
        crate::kernel::blocks::is_fast()
    }

    fn output(&self) -> &Blocks {
        self.output.as_ref().unwrap_or(&self.embeddings)
    }
}

/// Brings rows to a mean square of 1, times `gain` (Zhang and Sennrich 2019).
fn norm(rows: &[f32], gain: &[f32], floor: f32, to: &mut Vec<f32>) {
    to.resize(rows.len(), 0.0);
    for (row, to) in rows.chunks_exact(gain.len()).zip(to.chunks_exact_mut(gain.len())) {
        vector::rms_norm(row, gain, floor, to);
    }
}

#[cfg(test)]
mod tests;
