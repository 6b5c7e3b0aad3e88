//! The decoder: a token of each text at a time, every text at a place of its own.

use candle_core::{DType, Result as Computed, Tensor};
use candle_nn::{LayerNorm, Linear, Module};
use trunkline_inference::ModelError;
use trunkline_native::Text;

use super::{
    attention::{Mlp, attend, heads, mask},
    weights::{HEAD, Weights, failed},
};

pub(crate) struct Decoder {
    /// `[words, width]`.
    words: Tensor,
    /// `[positions, width]`.
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    desks: Vec<Desk>,
}

/// How much of a desk's memory counts.
#[derive(Clone, Copy, Default)]
struct Desk {
    /// Positions of its window.
    heard: usize,
    /// Tokens read.
    read: usize,
}

struct Block {
    norm: LayerNorm,
    /// Queries, keys and values.
    attend: Linear,
    out: Linear,
    cross_norm: LayerNorm,
    cross_query: Linear,
    /// Keys and values of what was heard.
    cross: Linear,
    cross_out: Linear,
    mlp: Mlp,
    /// Keys and values `[desks, heads, positions, HEAD]` of texts, and of what was heard.
    said: [Tensor; 2],
    heard: [Tensor; 2],
}

/// The rows of a step: of some desks in a row, so many tokens each.
struct Rows {
    /// The first desk, and how many.
    desks: (usize, usize),
    /// Columns of the memory that are looked at: of texts, of what was heard.
    columns: [usize; 2],
    masks: [Tensor; 2],
    place: Place,
}

/// Where the new keys and values go.
enum Place {
    /// All tokens of a text from here on.
    From(usize),
    /// The token of each desk to a place of its own, `[desks, heads, 1, HEAD]`.
    Each(Tensor),
}

impl Decoder {
    pub(crate) fn load(weights: &Weights<'_>, desks: usize) -> Result<Self, ModelError> {
        let sizes = weights.file.sizes;
        let block = |layer| Block::load(weights, &format!("decoder.blocks.{layer}"), desks);
        Ok(Self {
            words: weights.tensor("decoder.token_embedding.weight", &[sizes.words, sizes.width])?,
            positions: weights
                .tensor("decoder.positional_embedding", &[sizes.text_positions, sizes.width])?,
            blocks: (0..sizes.text_layers).map(block).collect::<Result<_, ModelError>>()?,
            norm: weights.norm("decoder.ln")?,
            desks: vec![Desk::default(); desks],
        })
    }

    /// Takes what the encoder heard for a desk, `[1, positions, width]`.
    pub(crate) fn listen(&mut self, desk: usize, encoded: &Tensor) -> Computed<()> {
        for block in &self.blocks {
            let parts = heads(&block.cross.forward(encoded)?, 2)?;
            for (memory, part) in block.heard.iter().zip(&parts) {
                memory.narrow(0, desk, 1)?.slice_set(part, 2, 0)?;
            }
        }
        self.desks[desk] = Desk { heard: encoded.dim(1)?, read: 0 };
        Ok(())
    }

    pub(crate) fn forget(&mut self, desk: usize) {
        self.desks[desk] = Desk::default();
    }

    /// Reads each text's next tokens: the logits after each text's last, `[texts, words]`. Texts of one
    /// token are read together, longer ones one after the other.
    pub(crate) fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Computed<()> {
        for text in texts {
            self.desks[text.desk].read = text.position;
        }
        let singles: Vec<&Text<'_>> = texts.iter().filter(|text| text.tokens.len() == 1).collect();
        let mut last = Vec::with_capacity(texts.len());
        let together = if singles.is_empty() { None } else { Some(self.next_of_each(&singles)?) };
        let first = singles.first().map_or(0, |text| text.desk);
        for text in texts {
            last.push(match &together {
                Some(rows) if text.tokens.len() == 1 => rows.narrow(0, text.desk - first, 1)?,
                _ => self.several_of_one(text)?,
            });
            self.desks[text.desk].read += text.tokens.len();
        }
        let last = self.norm.forward(&Tensor::cat(&last, 0)?)?;
        let all = last.matmul(&self.words.t()?)?.to_dtype(DType::F32)?;
        *logits = all.flatten_all()?.to_vec1()?;
        Ok(())
    }

    /// The last rows `[desks, width]` of the desks from the first text's to the last text's; those between
    /// that have no text here are computed in vain, which costs less than moving memories together.
    fn next_of_each(&self, texts: &[&Text<'_>]) -> Computed<Tensor> {
        let first = texts.first().map_or(0, |text| text.desk);
        let count = texts.last().map_or(0, |text| text.desk + 1 - first);
        let room = self.positions.dim(0)?;
        let mut tokens = vec![0; count];
        for text in texts {
            tokens[text.desk - first] = text.tokens[0];
        }
        // The others write where their own next token will be written over it.
        let desks = &self.desks[first..first + count];
        let places: Vec<usize> = desks.iter().map(|desk| desk.read.min(room - 1)).collect();
        let device = self.words.device();
        let at: Vec<u32> = places.iter().map(|place| *place as u32).collect();
        let rows = self.rows_of(&tokens, &at)?.unsqueeze(1)?;
        let heads = rows.dim(2)? / HEAD;
        let index = Tensor::from_vec(at, (count, 1, 1, 1), device)?;
        let index = index.broadcast_as((count, heads, 1, HEAD))?.contiguous()?;
        let read = places.iter().max().map_or(1, |place| place + 1);
        let heard = texts.iter().map(|text| self.desks[text.desk].heard).max().unwrap_or(1);
        let kind = rows.dtype();
        let masks = [
            mask((count, 1, read), |n, _| places[n] + 1, kind, device)?,
            mask((count, 1, heard), |n, _| desks[n].heard, kind, device)?,
        ];
        let step = Rows {
            desks: (first, count),
            columns: [read, heard],
            masks,
            place: Place::Each(index),
        };
        self.run(rows, &step)?.squeeze(1)
    }

    /// The last row `[1, width]` of a text that reads several tokens.
    fn several_of_one(&self, text: &Text<'_>) -> Computed<Tensor> {
        let (position, count) = (text.position, text.tokens.len());
        let at: Vec<u32> = (position..position + count).map(|place| place as u32).collect();
        let rows = self.rows_of(text.tokens, &at)?.unsqueeze(0)?;
        let heard = self.desks[text.desk].heard;
        let (kind, device) = (rows.dtype(), self.words.device());
        let masks = [
            mask((1, count, position + count), |_, row| position + row + 1, kind, device)?,
            mask((1, 1, heard), |_, _| heard, kind, device)?,
        ];
        let columns = [position + count, heard];
        let step = Rows { desks: (text.desk, 1), columns, masks, place: Place::From(position) };
        self.run(rows, &step)?.narrow(1, count - 1, 1)?.squeeze(1)
    }

    /// Tokens at their places, `[tokens, width]`.
    fn rows_of(&self, tokens: &[u32], places: &[u32]) -> Computed<Tensor> {
        let of = |table: &Tensor, rows: &[u32]| {
            table.index_select(&Tensor::new(rows, table.device())?, 0)
        };
        of(&self.words, tokens)? + of(&self.positions, places)?
    }

    fn run(&self, mut rows: Tensor, step: &Rows) -> Computed<Tensor> {
        for block in &self.blocks {
            rows = block.run(rows, step)?;
        }
        Ok(rows)
    }
}

impl Block {
    fn load(weights: &Weights<'_>, name: &str, desks: usize) -> Result<Self, ModelError> {
        let sizes = weights.file.sizes;
        let memory = |positions| {
            let shape = (desks, sizes.width / HEAD, positions, HEAD);
            let room = || Tensor::zeros(shape, weights.kind, weights.device).map_err(failed);
            Ok([room()?, room()?])
        };
        let parts =
            |attention, parts: &[&str]| weights.parts(&format!("{name}.{attention}"), parts);
        Ok(Self {
            norm: weights.norm(&format!("{name}.attn_ln"))?,
            attend: parts("attn", &["query", "key", "value"])?,
            out: parts("attn", &["out"])?,
            cross_norm: weights.norm(&format!("{name}.cross_attn_ln"))?,
            cross_query: parts("cross_attn", &["query"])?,
            cross: parts("cross_attn", &["key", "value"])?,
            cross_out: parts("cross_attn", &["out"])?,
            mlp: Mlp::load(weights, name)?,
            said: memory(sizes.text_positions)?,
            heard: memory(sizes.audio_positions)?,
        })
    }

    /// Rows `[desks, tokens, width]`.
    fn run(&self, rows: Tensor, step: &Rows) -> Computed<Tensor> {
        let parts = heads(&self.attend.forward(&self.norm.forward(&rows)?)?, 3)?;
        for (memory, part) in self.said.iter().zip(&parts[1..]) {
            step.remember(memory, part)?;
        }
        let [keys, values] = step.look(&self.said, 0)?;
        let mixed = attend(&parts[0], &keys, &values, Some(&step.masks[0]))?;
        let rows = (rows + self.out.forward(&mixed)?)?;
        let queries = heads(&self.cross_query.forward(&self.cross_norm.forward(&rows)?)?, 1)?;
        let [keys, values] = step.look(&self.heard, 1)?;
        let mixed = attend(&queries[0], &keys, &values, Some(&step.masks[1]))?;
        self.mlp.run(&(rows + self.cross_out.forward(&mixed)?)?)
    }
}

impl Rows {
    fn remember(&self, memory: &Tensor, part: &Tensor) -> Computed<()> {
        let memory = memory.narrow(0, self.desks.0, self.desks.1)?;
        match &self.place {
            Place::From(position) => memory.slice_set(part, 2, *position),
            Place::Each(index) => memory.scatter_set(index, part, 2),
        }
    }

    /// The memory of this step's desks, as far as any of them goes.
    fn look(&self, memory: &[Tensor; 2], which: usize) -> Computed<[Tensor; 2]> {
        let seen = |memory: &Tensor| {
            memory.narrow(0, self.desks.0, self.desks.1)?.narrow(2, 0, self.columns[which])
        };
        Ok([seen(&memory[0])?, seen(&memory[1])?])
    }
}
