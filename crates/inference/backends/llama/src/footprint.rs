//! What a language model needs of a device's memory, from the header of its file.

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};

use crate::{
    config::LlamaConfig,
    gguf::{Header, Tensor, Value},
    native::Plan,
};

/// Bytes of a key's or a value's number and of a place in the attention's mask: f16.
const HALF: u64 = 2;
/// Bytes of the numbers that are computed with: f32.
const FLOAT: u64 = 4;
/// Rows of the model's width that are at work at once, measured: 5 to 6.
const ROWS_AT_WORK: u64 = 6;
/// What the texts of the tokens, the maps of them and the grammars' tables take for each token, measured
/// with 151,936 of them.
const TOKEN_BYTES: u64 = 320;
/// The context is rounded up to a multiple of this.
const CELLS: u64 = 256;
/// ggml's numbers of the kinds of matrices that the processor has in another order, for its vector units; the
/// embeddings of tokens are only looked up. `Q4_0`, `Q2_K`, `Q4_K`, `IQ4_NL`, `MXFP4`.
const REORDERED: [u32; 5] = [2, 10, 12, 20, 39];

/// What the model needs on its device: the GPU where all its layers are on one, else the machine's memory.
///
/// Takes a few milliseconds; no weight is read. It holds for attention as llama.cpp fuses it ("flash
/// attention", which it does wherever the device can) and counts every layer as one that keeps keys and values
/// for the whole context, which is too much for models with recurrent layers.
///
/// Says [`ModelError::Missing`] or [`ModelError::Corrupt`] of a file that cannot be used.
pub fn footprint(config: &LlamaConfig) -> Result<Footprint, ModelError> {
    if let Some(plan) = Plan::of(config, config.gpu_layers > 0)? {
        return Ok(plan.footprint(config));
    }
    let header = Header::open(&config.model)?;
    let shape = Shape::of(&header).ok_or_else(|| ModelError::Corrupt {
        path: config.model.clone(),
        reason: "its header lacks the sizes of its layers".to_owned(),
    })?;
    let sequences = u64::from(config.sequences());
    let tokens = u64::from(config.reply_context(shape.trained)) * u64::from(config.most_slots());
    let cells = tokens.next_multiple_of(CELLS);
    let rows = u64::from(config.step_tokens()).min(cells).next_multiple_of(sequences);
    let mut items = vec![
        Item::amount(Part::Weights, "weights", bytes(&header, |_| true), "the tensors of the file"),
        keys_and_values(&shape, cells, config.most_slots()),
        Item::product(
            Part::Workspace,
            "a step",
            &[
                (rows, "rows"),
                (shape.row_bytes(cells), "bytes of logits, of the attention's mask and of layers"),
            ],
        ),
        Item::product(
            Part::Workspace,
            "logits kept",
            &[(sequences, "sequences"), (shape.vocabulary, "tokens"), (FLOAT, "bytes")],
        ),
    ];
    if config.gpu_layers == 0 {
        items.push(vocabulary(shape.vocabulary));
        let reordered = |tensor: &Tensor| {
            REORDERED.contains(&tensor.kind) && tensor.name != "token_embd.weight"
        };
        items.push(Item::amount(
            Part::Loading,
            "the file's pages",
            bytes(&header, reordered),
            "tensors that the processor has in an order of its own",
        ));
    }
    Ok(Footprint { items })
}

pub(crate) fn vocabulary(tokens: u64) -> Item {
    let factors = [(tokens, "tokens"), (TOKEN_BYTES, "bytes, measured")];
    Item::product(Part::Workspace, "vocabulary and grammars", &factors)
}

fn keys_and_values(shape: &Shape, cells: u64, slots: u32) -> Item {
    let tokens = format!("tokens of {slots} slots");
    let mut factors = vec![(cells, tokens.as_str())];
    match shape.numbers.checked_rem(shape.layers) {
        Some(0) => {
            factors.extend([(shape.layers, "layers"), (shape.numbers / shape.layers, "numbers")]);
        }
        Some(_) | None => factors.push((shape.numbers, "numbers of all layers")),
    }
    factors.push((HALF, "bytes"));
    Item::product(Part::Kv, "keys and values", &factors)
}

fn bytes(header: &Header, which: impl Fn(&Tensor) -> bool) -> u64 {
    let tensors = header.tensors.iter().filter(|tensor| which(tensor));
    tensors.fold(0, |sum: u64, tensor| sum.saturating_add(tensor.bytes))
}

/// The sizes of a model that its memory follows from.
#[derive(Debug)]
struct Shape {
    layers: u64,
    /// Numbers that all layers keep of a token.
    numbers: u64,
    width: u64,
    vocabulary: u64,
    /// Tokens that it was trained on at once; 0 when it is not said.
    trained: u32,
}

impl Shape {
    fn of(header: &Header) -> Option<Self> {
        let layers = header.number("block_count")?;
        let width = header.number("embedding_length")?;
        let heads = header.number("attention.head_count")?.max(1);
        let each = |key| header.number(key).unwrap_or(width / heads);
        let key_and_value =
            each("attention.key_length").saturating_add(each("attention.value_length"));
        // Where it is not said every head has keys and values of its own.
        let kv_heads = match header.of_architecture("attention.head_count_kv") {
            Some(Value::Numbers(of_layers)) => {
                of_layers.iter().fold(0_u64, |sum, heads| sum.saturating_add(*heads))
            }
            Some(Value::Number(heads)) => layers.saturating_mul(*heads),
            Some(_) | None => layers.saturating_mul(heads),
        };
        Some(Self {
            layers,
            numbers: kv_heads.saturating_mul(key_and_value),
            width,
            vocabulary: header.vocabulary(),
            trained: header.number("context_length").map_or(0, |n| u32::try_from(n).unwrap_or(0)),
        })
    }

    /// Bytes that a row of a step works with: its logits, what it may attend to, and its layers.
    fn row_bytes(&self, cells: u64) -> u64 {
        let [logits, mask] = [self.vocabulary.saturating_mul(FLOAT), cells.saturating_mul(HALF)];
        let layers = self.width.saturating_mul(FLOAT * ROWS_AT_WORK);
        logits.saturating_add(mask).saturating_add(layers)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::gguf::tests::Writer;

    /// A model of 4 layers, 2 heads of keys and values, 8 numbers a head.
    fn model() -> Writer {
        Writer::default()
            .text("general.architecture", "toy")
            .number("toy.block_count", 4)
            .number("toy.embedding_length", 32)
            .number("toy.context_length", 512)
            .number("toy.attention.head_count", 4)
            .tokens(100)
            .tensor("token_embd.weight", 14, 640)
            .tensor("blk.0.attn_q.weight", 12, 320)
    }

    fn of(writer: Writer, change: impl Fn(LlamaConfig) -> LlamaConfig) -> Footprint {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, writer.bytes()).unwrap();
        footprint(&change(LlamaConfig { gpu_layers: 0, ..LlamaConfig::new(path) })).unwrap()
    }

    #[test]
    fn keys_and_values_are_those_of_all_slots() {
        let grouped = || model().number("toy.attention.head_count_kv", 2);
        let kv =
            |writer, slots| of(writer, |config| LlamaConfig { slots, ..config }).part(Part::Kv);
        // 512 tokens of training, 4 layers, 2 heads, 8 numbers of a key and 8 of a value, 2 bytes.
        assert_eq!(kv(grouped(), 1), 512 * 4 * 2 * 16 * 2);
        assert_eq!(kv(grouped(), 6), 6 * 512 * 4 * 2 * 16 * 2);
        assert_eq!(kv(model(), 1), 512 * 4 * 4 * 16 * 2, "each head has its own");
        let by_layer = model().numbers("toy.attention.head_count_kv", &[2, 0, 2, 0]);
        assert_eq!(kv(by_layer, 1), 512 * 4 * 16 * 2);
        let wide = grouped().number("toy.attention.key_length", 24);
        assert_eq!(kv(wide, 1), 512 * 4 * 2 * 32 * 2);
    }

    #[test]
    fn weights_are_the_files_tensors_and_only_the_reordered_are_there_twice_at_first() {
        let footprint = of(model(), |config| config);
        assert_eq!((footprint.part(Part::Weights), footprint.loading_bytes()), (960, 320));
        let on_gpu = of(model(), |config| LlamaConfig { gpu_layers: 999, ..config });
        assert_eq!((on_gpu.part(Part::Weights), on_gpu.loading_bytes()), (960, 0));
    }

    #[test]
    fn more_rows_a_step_are_more_workspace() {
        let workspace = |batch_tokens| {
            of(model(), |config| LlamaConfig { batch_tokens, ..config }).part(Part::Workspace)
        };
        assert!(workspace(256) > workspace(128));
    }

    #[test]
    fn a_header_without_sizes_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, Writer::default().text("general.architecture", "toy").bytes()).unwrap();
        let error = footprint(&LlamaConfig::new(path)).unwrap_err();
        assert!(matches!(error, ModelError::Corrupt { .. }), "{error}");
    }
}
