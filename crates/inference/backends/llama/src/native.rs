//! Weights that this project's own kernels evaluate: on a processor, a step of several replies takes them
//! hardly longer than a step of one.

use std::{path::PathBuf, sync::Arc};

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};
use trunkline_native::{
    Halt, LanguageModel, LanguageSizes, Pairs, Reader, Room, Tensor, Threads, is_matrix_kind,
    matrix_bytes,
};

use crate::{
    config::{Kernels, LlamaConfig},
    footprint,
    gguf::{Header, Value},
    network::{EvaluateError, Row},
};

/// ggml's number for numbers as they are.
const FLOAT: u32 = 0;
/// What files leave out when it is this.
const ROTATION_BASE: f32 = 10_000.0;
/// Numbers of every block of weights and of every vector of a head.
const BLOCK: usize = 32;
const PART_OF_HEAD: usize = 16;
/// The parts of a layer, matrices first.
const MATRICES: [&str; 7] =
    ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
const NUMBERS: [&str; 4] = ["attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm"];
const BIASES: [&str; 3] = ["attn_q", "attn_k", "attn_v"];

/// A model that can be evaluated here.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sizes: LanguageSizes,
    header: Header,
    path: PathBuf,
}

impl Plan {
    /// How a model is evaluated here; `None` when llama.cpp does it: on a GPU, where the processor lacks the
    /// vectors, or when the model is of a kind that is not known here.
    ///
    /// Says [`ModelError::Engine`] when the config insists on what cannot be.
    pub(crate) fn of(config: &LlamaConfig, is_on_gpu: bool) -> Result<Option<Self>, ModelError> {
        match config.kernels {
            Kernels::LlamaCpp => Ok(None),
            Kernels::Fastest if is_on_gpu || !LanguageModel::is_fast_here() => Ok(None),
            // What is wrong with a file llama.cpp says better.
            Kernels::Fastest => Ok(Self::of_file(config)
                .inspect_err(|reason| {
                    tracing::info!(reason, "llama.cpp's kernels evaluate the language model");
                })
                .ok()),
            Kernels::Native => Self::of_file(config).map(Some).map_err(|reason| {
                let reason = format!("its own kernels cannot evaluate the model: {reason}");
                ModelError::Engine { engine: "llama", reason }
            }),
        }
    }

    fn of_file(config: &LlamaConfig) -> Result<Self, String> {
        let header = Header::open(&config.model).map_err(|error| error.to_string())?;
        check_tensors(&header)?;
        Ok(Self { sizes: sizes(&header)?, header, path: config.model.clone() })
    }

    /// Tokens that the model was trained on at once; 0 when it is not said.
    pub(crate) fn trained(&self) -> u32 {
        self.header.number("context_length").map_or(0, |n| u32::try_from(n).unwrap_or(0))
    }

    /// What the model needs of the machine's memory.
    pub(crate) fn footprint(&self, config: &LlamaConfig) -> Footprint {
        let tensors = || self.header.tensors.iter();
        let packed = tensors().map(|tensor| matrix_bytes(tensor.kind, tensor.bytes)).sum();
        let largest = tensors().map(|tensor| tensor.bytes).max().unwrap_or(0);
        let room = self.room(config);
        let of_keys = self.sizes.memory_bytes(room) as u64;
        let rows = u64::from(config.step_tokens());
        let logits = u64::from(config.most_slots());
        let of_logits = self.sizes.vocabulary as u64 * 4;
        let from = "the file's tensors, in the order that they are multiplied in";
        let pages = format!("pages of {} tokens and {} sequences", room.tokens, room.sequences);
        let items = vec![
            Item::amount(Part::Weights, "weights", packed, from),
            Item::amount(Part::Kv, "keys and values", of_keys, &pages),
            Item::product(
                Part::Workspace,
                "a step",
                &[(rows, "rows"), (self.sizes.row_bytes() as u64, "bytes of layers")],
            ),
            Item::product(
                Part::Workspace,
                "logits",
                &[(logits, "slots"), (of_logits, "bytes of all tokens")],
            ),
            footprint::vocabulary(self.sizes.vocabulary as u64),
            Item::amount(Part::Loading, "a tensor", largest, "the largest of the file"),
        ];
        Footprint { items }
    }

    fn room(&self, config: &LlamaConfig) -> Room {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let tokens = size(config.reply_context(self.trained()));
        Room {
            tokens: tokens.saturating_mul(size(config.most_slots())),
            sequences: size(config.sequences()),
        }
    }

    /// Loads the weights, seconds for large models.
    pub(crate) fn load(&self, config: &LlamaConfig) -> Result<Native, ModelError> {
        let tensor = |name: &str| {
            let Some(bytes) = self.header.tensor(&self.path, name)? else { return Ok(None) };
            let found = self.header.tensors.iter().find(|tensor| tensor.name == name);
            Ok(found.map(|tensor| Tensor { kind: tensor.kind, bytes }))
        };
        let threads = Threads::with_this(usize::try_from(config.threads).unwrap_or(1));
        let model = LanguageModel::load(self.sizes, &tensor).map_err(|error| {
            if let ModelError::Engine { reason, .. } = error {
                ModelError::Corrupt { path: self.path.clone(), reason }
            } else {
                error
            }
        })?;
        let reader = Reader::new(Arc::new(model), self.room(config), threads);
        Ok(Native { reader, rows: Vec::new() })
    }
}

/// Loaded weights and what they were evaluated on.
pub(crate) struct Native {
    reader: Reader,
    rows: Vec<trunkline_native::Row>,
}

impl Native {
    pub(crate) fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        self.rows.clear();
        self.rows.extend(rows.iter().map(|row| trunkline_native::Row {
            token: row.token.0.cast_unsigned(),
            position: row.position,
            sequence: row.sequence,
            is_sampled: row.is_sampled,
        }));
        self.reader.evaluate(&self.rows, is_abandoned).map_err(|halt| match halt {
            Halt::Full => EvaluateError::Full,
            Halt::Abandoned => EvaluateError::Abandoned,
        })
    }

    pub(crate) fn logits(&self, row: usize) -> Option<&[f32]> {
        self.reader.logits(row)
    }

    pub(crate) fn trim(&mut self, sequence: usize, keep: usize) {
        self.reader.trim(sequence, keep);
    }

    pub(crate) fn copy(&mut self, from: usize, to: usize, keep: usize) {
        self.reader.copy(from, to, keep);
    }
}

/// The sizes of a model, or why it is of no kind that is known here.
fn sizes(header: &Header) -> Result<LanguageSizes, String> {
    let pairs = match header.architecture() {
        Some("llama") => Pairs::Neighbours,
        Some("qwen2" | "qwen3") => Pairs::Halves,
        other => return Err(format!("its architecture is {}", other.unwrap_or("not said"))),
    };
    let is_scaled = header
        .of_architecture("rope.scaling.type")
        .is_some_and(|scaling| *scaling != Value::Text("none".to_owned()));
    let some = |key| header.number(key).is_some_and(|number| number > 0);
    if is_scaled || some("expert_count") || some("attention.sliding_window") {
        return Err("it has stretched positions, experts or a sliding window".to_owned());
    }
    let size = |key: &str| {
        let number = header.number(key).and_then(|number| usize::try_from(number).ok());
        number.filter(|&number| number > 0)
    };
    let asked = |key: &str| size(key).ok_or_else(|| format!("its header lacks {key}"));
    let (width, heads) = (asked("embedding_length")?, asked("attention.head_count")?);
    let head = size("attention.key_length").unwrap_or(width / heads);
    let sizes = LanguageSizes {
        layers: asked("block_count")?,
        width,
        hidden: asked("feed_forward_length")?,
        heads,
        kv_heads: size("attention.head_count_kv").unwrap_or(heads),
        head,
        vocabulary: usize::try_from(header.vocabulary()).unwrap_or(0),
        norm_floor: header
            .real("attention.layer_norm_rms_epsilon")
            .ok_or("its header lacks attention.layer_norm_rms_epsilon")?,
        rotation_base: header.real("rope.freq_base").unwrap_or(ROTATION_BASE),
        rotated: size("rope.dimension_count").unwrap_or(head),
        pairs,
    };
    let is_regular = [sizes.width, sizes.hidden, heads * head].iter().all(|n| n % BLOCK == 0)
        && size("attention.value_length").is_none_or(|value| value == head)
        && head.is_multiple_of(PART_OF_HEAD)
        && heads.is_multiple_of(sizes.kv_heads)
        && sizes.rotated <= head
        && sizes.rotated.is_multiple_of(2);
    if is_regular { Ok(sizes) } else { Err(format!("these are its sizes: {sizes:?}")) }
}

/// Says which tensor is of no kind that is known here.
fn check_tensors(header: &Header) -> Result<(), String> {
    for tensor in &header.tensors {
        let part = tensor.name.strip_prefix("blk.").map_or(tensor.name.as_str(), |rest| {
            rest.split_once('.').map_or(rest, |(_, part)| part)
        });
        let (part, suffix) = part.rsplit_once('.').unwrap_or((part, ""));
        let is_known = match suffix {
            "weight" if MATRICES.contains(&part) || ["token_embd", "output"].contains(&part) => {
                is_matrix_kind(tensor.kind)
            }
            "weight" if NUMBERS.contains(&part) => tensor.kind == FLOAT,
            "weight" => ["output_norm", "rope_freqs"].contains(&part) && tensor.kind == FLOAT,
            "bias" => BIASES.contains(&part) && tensor.kind == FLOAT,
            _ => false,
        };
        if !is_known {
            return Err(format!("its tensor {} is of kind {}", tensor.name, tensor.kind));
        }
    }
    Ok(())
}
