//! The decoder: from what was heard and said so far to what may come next, for several texts at once.

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

/// The decoder's weights.
pub(crate) struct Decoder {
    width: usize,
    words: Matrix,
    /// `[text_positions, width]`.
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: Norm,
}

struct Block {
    norm: Norm,
    /// Queries, keys and values.
    attend: Matrix,
    out: Matrix,
    cross_norm: Norm,
    cross_query: Matrix,
    /// Keys and values of what was heard.
    cross: Matrix,
    cross_out: Matrix,
    mlp: Mlp,
}

/// What the decoder remembers of a text.
pub(crate) struct Memory {
    /// Tokens read so far.
    pub(crate) tokens: usize,
    layers: Vec<Remembered>,
}

impl Memory {
    /// Forgets the text but for its first tokens, not what was heard.
    pub(crate) fn forget_text(&mut self, but: usize) {
        if self.tokens <= but {
            return;
        }
        let rows = self.tokens;
        self.tokens = but;
        for layer in &mut self.layers {
            let width = layer.keys.len() / rows;
            layer.keys.truncate(but * width);
            layer.values.truncate(but * width);
        }
    }
}

/// Rows of `width` numbers.
#[derive(Default)]
struct Remembered {
    keys: Vec<f32>,
    values: Vec<f32>,
    heard_keys: Vec<f32>,
    heard_values: Vec<f32>,
}

/// A text's next tokens.
pub(crate) struct Next<'a> {
    pub(crate) memory: &'a mut Memory,
    pub(crate) tokens: &'a [u32],
}

impl Decoder {
    pub(crate) fn load(file: &ModelFile) -> Result<Self, ModelError> {
        let sizes = file.sizes;
        let width = sizes.width;
        let block = |layer| {
            let name = format!("decoder.blocks.{layer}");
            let parts = |attention: &str, parts: &[&str]| {
                let names: Vec<_> =
                    parts.iter().map(|part| format!("{name}.{attention}.{part}")).collect();
                linear(file, &names, width, width)
            };
            Ok(Block {
                norm: Norm::load(file, &format!("{name}.attn_ln"))?,
                attend: parts("attn", &["query", "key", "value"])?,
                out: parts("attn", &["out"])?,
                cross_norm: Norm::load(file, &format!("{name}.cross_attn_ln"))?,
                cross_query: parts("cross_attn", &["query"])?,
                cross: parts("cross_attn", &["key", "value"])?,
                cross_out: parts("cross_attn", &["out"])?,
                mlp: Mlp::load(file, &name)?,
            })
        };
        let words = file.tensor("decoder.token_embedding.weight", sizes.words * width)?;
        Ok(Self {
            width,
            words: Matrix::new(&words, &[], width),
            positions: file.tensor("decoder.positional_embedding", sizes.text_positions * width)?,
            blocks: (0..sizes.text_layers).map(block).collect::<Result<_, _>>()?,
            norm: Norm::load(file, "decoder.ln")?,
        })
    }

    /// Words that it knows: logits of a row.
    pub(crate) fn words(&self) -> usize {
        self.words.outputs
    }

    /// A text about what the encoder heard, `[positions, width]`, not begun yet.
    pub(crate) fn listen(&self, encoded: &[f32], work: &mut Work) -> Memory {
        let width = self.width;
        let layers = self.blocks.iter().map(|block| {
            work.wide.resize(encoded.len() * 2, 0.0);
            block.cross.multiply(encoded, After::Put, &mut work.wide, &mut work.scratch);
            let mut layer = Remembered {
                heard_keys: Vec::with_capacity(encoded.len()),
                heard_values: Vec::with_capacity(encoded.len()),
                ..Remembered::default()
            };
            for row in work.wide.chunks_exact(2 * width) {
                layer.heard_keys.extend(&row[..width]);
                layer.heard_values.extend(&row[width..]);
            }
            layer
        });
        Memory { tokens: 0, layers: layers.collect() }
    }

    /// Reads each text's next tokens; the logits after each text's last, `[texts, words]`.
    pub(crate) fn step(&self, texts: &mut [Next<'_>], logits: &mut Vec<f32>, work: &mut Work) {
        let width = self.width;
        let mut rows = Vec::new();
        for text in &*texts {
            for (position, &token) in (text.memory.tokens..).zip(text.tokens) {
                let at = rows.len();
                rows.resize(at + width, 0.0);
                self.words.row(token as usize, &mut rows[at..]);
                vector::add(&mut rows[at..], &self.positions[position * width..][..width]);
            }
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            block.run(layer, texts, &mut rows, work);
        }
        let mut last = Vec::with_capacity(texts.len() * width);
        let mut end = 0;
        for text in texts {
            end += text.tokens.len();
            text.memory.tokens += text.tokens.len();
            last.extend(&rows[(end - 1) * width..end * width]);
        }
        self.norm.run(&last, &mut work.normed);
        logits.resize(last.len() / width * self.words(), 0.0);
        self.words.multiply(&work.normed, After::Put, logits, &mut work.scratch);
    }
}

impl Block {
    fn run(&self, layer: usize, texts: &mut [Next<'_>], rows: &mut [f32], work: &mut Work) {
        let Work { normed, wide, mixed, weights, scratch } = work;
        let width = self.out.inputs;
        self.norm.run(rows, normed);
        wide.resize(rows.len() * 3, 0.0);
        self.attend.multiply(normed, After::Put, wide, scratch);
        mixed.resize(rows.len(), 0.0);
        let mut given = wide.chunks_exact(3 * width).zip(mixed.chunks_exact_mut(width));
        for text in &mut *texts {
            let remembered = &mut text.memory.layers[layer];
            for (row, to) in given.by_ref().take(text.tokens.len()) {
                remembered.keys.extend(&row[width..2 * width]);
                remembered.values.extend(&row[2 * width..]);
                attention::back(&row[..width], &remembered.keys, &remembered.values, weights, to);
            }
        }
        self.out.multiply(mixed, After::Add, rows, scratch);
        self.cross_norm.run(rows, normed);
        wide.resize(rows.len(), 0.0);
        self.cross_query.multiply(normed, After::Put, wide, scratch);
        let mut given = wide.chunks_exact(width).zip(mixed.chunks_exact_mut(width));
        for text in &*texts {
            let Remembered { heard_keys, heard_values, .. } = &text.memory.layers[layer];
            for (query, to) in given.by_ref().take(text.tokens.len()) {
                attention::back(query, heard_keys, heard_values, weights, to);
            }
        }
        self.cross_out.multiply(mixed, After::Add, rows, scratch);
        self.mlp.run(rows, work);
    }
}
