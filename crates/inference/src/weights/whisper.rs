//! Whisper's shape, and which of its variables becomes which tensor.

use std::ops::Range;

use super::{Quantisation, WeightsError, ctranslate2::Variables, ggml::Role};

const ALL: Range<usize> = 0..usize::MAX;
/// Twice what the largest Whisper has.
const MOST_LAYERS: usize = 64;
const END_OF_TEXT: &[u8] = b"<|endoftext|>";

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Filters of the ear.
    pub(super) mels: usize,
    words: usize,
    width: usize,
    audio: Half,
    text: Half,
}

/// Encoder or decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Half {
    positions: usize,
    heads: usize,
    layers: usize,
}

/// A tensor to write and where its values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    /// whisper.cpp's name.
    pub(super) name: String,
    /// CTranslate2's name.
    pub(super) source: String,
    /// Which rows of the variable: queries, keys and values lie one after another in one.
    pub(super) rows: Range<usize>,
    /// How it is kept.
    pub(super) role: Role,
}

impl Shape {
    /// Reads a model's sizes off its variables.
    pub(super) fn of(variables: &mut Variables) -> Result<Self, WeightsError> {
        let &[words, width] = dims(variables, "decoder/embeddings/weight")? else {
            return Err(variables.malformed("the embeddings are no matrix"));
        };
        let &[_, mels, _] = dims(variables, "encoder/conv1/weight")? else {
            return Err(variables.malformed("the first convolution has not three dimensions"));
        };
        let (audio, text) = (Half::of(variables, "encoder")?, Half::of(variables, "decoder")?);
        Ok(Self { mels, words, width, audio, text })
    }

    /// whisper.cpp's header, in its order.
    pub(super) fn hyperparameters(&self, quantisation: Quantisation) -> [i32; 11] {
        let Self { mels, words, width, audio, text } = *self;
        let size = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        [
            size(words),
            size(audio.positions),
            size(width),
            size(audio.heads),
            size(audio.layers),
            size(text.positions),
            size(width),
            size(text.heads),
            size(text.layers),
            size(mels),
            quantisation.file_type(),
        ]
    }

    /// The words that stand for text; whisper.cpp names the special ones after them itself.
    pub(super) fn text_words<'a>(&self, words: &'a [Vec<u8>]) -> &'a [Vec<u8>] {
        let end = words.iter().position(|w| w == END_OF_TEXT).unwrap_or(words.len());
        &words[..end.min(self.words)]
    }

    /// Every tensor of the model file.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let mut plan = Plan { width: self.width, tensors: Vec::new() };
        plan.one("encoder.positional_embedding", "encoder/position_encodings/encodings");
        for conv in ["conv1", "conv2"] {
            let (to, from) = (format!("encoder.{conv}"), format!("encoder/{conv}"));
            plan.push(format!("{to}.weight"), format!("{from}/weight"), ALL, Role::Convolution);
            plan.push(format!("{to}.bias"), format!("{from}/bias"), ALL, Role::ConvolutionBias);
        }
        plan.norm("encoder.ln_post", "encoder/layer_norm");
        for layer in 0..self.audio.layers {
            plan.block(&format!("encoder.blocks.{layer}"), &format!("encoder/layer_{layer}"));
        }
        plan.one("decoder.positional_embedding", "decoder/position_encodings/encodings");
        plan.push(
            "decoder.token_embedding.weight".into(),
            "decoder/embeddings/weight".into(),
            ALL,
            Role::Matrix,
        );
        plan.norm("decoder.ln", "decoder/layer_norm");
        for layer in 0..self.text.layers {
            let (to, from) = (format!("decoder.blocks.{layer}"), format!("decoder/layer_{layer}"));
            plan.block(&to, &from);
            plan.cross_attention(&to, &format!("{from}/attention"));
        }
        plan.tensors
    }
}

impl Half {
    fn of(variables: &mut Variables, side: &str) -> Result<Self, WeightsError> {
        let &[positions, _] = dims(variables, &format!("{side}/position_encodings/encodings"))?
        else {
            return Err(variables.malformed("the positions are no matrix"));
        };
        let norm = |layer| format!("{side}/layer_{layer}/ffn/layer_norm/gamma");
        let layers =
            (0..MOST_LAYERS).take_while(|&layer| variables.dims(&norm(layer)).is_some()).count();
        let heads = variables.integer(&format!("{side}/num_heads"))?;
        let heads = usize::try_from(heads).map_err(|_| variables.malformed("negative heads"))?;
        Ok(Self { positions, heads, layers })
    }
}

fn dims<'a>(variables: &'a Variables, name: &str) -> Result<&'a [usize], WeightsError> {
    variables.dims(name).ok_or_else(|| variables.malformed(format!("{name} is missing")))
}

struct Plan {
    width: usize,
    tensors: Vec<Tensor>,
}

impl Plan {
    fn push(&mut self, name: String, source: String, rows: Range<usize>, role: Role) {
        self.tensors.push(Tensor { name, source, rows, role });
    }

    fn one(&mut self, name: &str, source: &str) {
        self.push(name.to_owned(), source.to_owned(), ALL, Role::Plain);
    }

    fn norm(&mut self, to: &str, from: &str) {
        self.one(&format!("{to}.weight"), &format!("{from}/gamma"));
        self.one(&format!("{to}.bias"), &format!("{from}/beta"));
    }

    /// A linear layer; `part` is which third (or half) of a fused one, `None` all of it.
    fn linear(&mut self, to: &str, from: &str, part: Option<usize>) {
        let rows = part.map_or(ALL, |p| p * self.width..(p + 1) * self.width);
        self.push(format!("{to}.weight"), format!("{from}/weight"), rows.clone(), Role::Matrix);
        // Whisper's keys have no bias; fused ones carry zeros in its place.
        if to.rsplit('.').next() != Some("key") {
            self.push(format!("{to}.bias"), format!("{from}/bias"), rows, Role::Plain);
        }
    }

    fn block(&mut self, to: &str, from: &str) {
        let attention = format!("{from}/self_attention");
        self.norm(&format!("{to}.attn_ln"), &format!("{attention}/layer_norm"));
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            let fused = format!("{attention}/linear_0");
            self.linear(&format!("{to}.attn.{name}"), &fused, Some(part));
        }
        self.linear(&format!("{to}.attn.out"), &format!("{attention}/linear_1"), None);
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"));
        self.linear(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"), None);
        self.linear(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"), None);
    }

    fn cross_attention(&mut self, to: &str, from: &str) {
        self.norm(&format!("{to}.cross_attn_ln"), &format!("{from}/layer_norm"));
        self.linear(&format!("{to}.cross_attn.query"), &format!("{from}/linear_0"), None);
        self.linear(&format!("{to}.cross_attn.key"), &format!("{from}/linear_1"), Some(0));
        self.linear(&format!("{to}.cross_attn.value"), &format!("{from}/linear_1"), Some(1));
        self.linear(&format!("{to}.cross_attn.out"), &format!("{from}/linear_2"), None);
    }
}
