//! A model's weights from the tensors of a GGUF file.

use trunkline_inference::ModelError;

use super::{
    LanguageModel, LanguageSizes,
    layer::{Layer, Linear, Unit},
    rotation::Rotation,
};
use crate::kernel::blocks::{Blocks, Kind, WIDTH};

/// ggml's number for numbers as they are.
const F32: u32 = 0;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// ggml's number for how it is written.
    pub kind: u32,
    /// As it is in the file.
    pub bytes: Vec<u8>,
}

/// Whether matrices that ggml has this number for can be multiplied.
pub fn is_matrix_kind(kind: u32) -> bool {
    Kind::of(kind).is_some()
}

/// Bytes that a matrix takes when it is loaded, of so many in the file; 0 of a kind that is not known.
pub fn matrix_bytes(kind: u32, written: u64) -> u64 {
    let Some(kind) = Kind::of(kind) else { return 0 };
    let (bytes, numbers) = kind.written();
    let packed = Blocks::bytes(kind, WIDTH, numbers) / WIDTH;
    written / bytes as u64 * packed as u64
}

/// Where tensors come from, and what they are like.
pub(super) struct Source<'a> {
    pub(super) sizes: LanguageSizes,
    pub(super) tensor: &'a dyn Fn(&str) -> Result<Option<Tensor>, ModelError>,
}

impl Source<'_> {
    pub(super) fn model(&self) -> Result<LanguageModel, ModelError> {
        let sizes = self.sizes;
        let LanguageSizes { width, vocabulary, rotated, rotation_base, pairs, .. } = sizes;
        let factors = self.numbers("rope_freqs.weight", rotated / 2)?;
        Ok(LanguageModel {
            sizes,
            embeddings: self.matrix("token_embd", vocabulary, width)?,
            layers: (0..sizes.layers).map(|layer| self.layer(layer)).collect::<Result<_, _>>()?,
            norm: self.gain("output_norm", width)?,
            output: self.matrix_if_there("output", vocabulary, width)?,
            rotation: Rotation::new(pairs, rotated, rotation_base, factors.as_deref()),
        })
    }

    fn layer(&self, layer: usize) -> Result<Layer, ModelError> {
        let LanguageSizes { width, hidden, heads, kv_heads, head, .. } = self.sizes;
        let name = |part: &str| format!("blk.{layer}.{part}");
        Ok(Layer {
            norm: self.gain(&name("attn_norm"), width)?,
            query: self.linear(&name("attn_q"), heads * head)?,
            key: self.linear(&name("attn_k"), kv_heads * head)?,
            value: self.linear(&name("attn_v"), kv_heads * head)?,
            query_norm: self.numbers(&name("attn_q_norm.weight"), head)?,
            key_norm: self.numbers(&name("attn_k_norm.weight"), head)?,
            out: self.matrix(&name("attn_output"), width, heads * head)?,
            unit: Unit {
                norm: self.gain(&name("ffn_norm"), width)?,
                gate: self.matrix(&name("ffn_gate"), hidden, width)?,
                up: self.matrix(&name("ffn_up"), hidden, width)?,
                down: self.matrix(&name("ffn_down"), width, hidden)?,
            },
        })
    }

    fn linear(&self, name: &str, outputs: usize) -> Result<Linear, ModelError> {
        Ok(Linear {
            weights: self.matrix(name, outputs, self.sizes.width)?,
            bias: self.numbers(&format!("{name}.bias"), outputs)?,
        })
    }

    fn gain(&self, name: &str, count: usize) -> Result<Vec<f32>, ModelError> {
        let name = format!("{name}.weight");
        self.numbers(&name, count)?.ok_or_else(|| wrong(&name, "is missing"))
    }

    fn matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<Blocks, ModelError> {
        let found = self.matrix_if_there(name, outputs, inputs)?;
        found.ok_or_else(|| wrong(&format!("{name}.weight"), "is missing"))
    }

    fn matrix_if_there(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Option<Blocks>, ModelError> {
        let name = format!("{name}.weight");
        let Some(Tensor { kind, bytes }) = (self.tensor)(&name)? else { return Ok(None) };
        let kind = Kind::of(kind).ok_or_else(|| wrong(&name, "is of a kind that is not known"))?;
        let matrix = Blocks::read(kind, &bytes, outputs, inputs);
        matrix.map(Some).ok_or_else(|| wrong(&name, "has another size than the header says"))
    }

    fn numbers(&self, name: &str, count: usize) -> Result<Option<Vec<f32>>, ModelError> {
        let Some(Tensor { kind, bytes }) = (self.tensor)(name)? else { return Ok(None) };
        let numbers: Vec<f32> =
            bytes.as_chunks().0.iter().take(count).map(|four| f32::from_le_bytes(*four)).collect();
        if kind != F32 || numbers.len() < count {
            return Err(wrong(name, "is not so many numbers of 32 bits as the header says"));
        }
        Ok(Some(numbers))
    }
}

fn wrong(name: &str, what: &str) -> ModelError {
    ModelError::Engine { engine: "native", reason: format!("its tensor {name} {what}") }
}
