//! Language models of random weights in a real one's shape, where that one cannot be had: right for times and
//! memory, never for words.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::random::Random;

/// Numbers that share a scale.
const BLOCK: usize = 32;
/// Blocks that are written again and again: enough that no cache holds what they are multiplied with.
const BLOCKS: usize = 1 << 14;
const ALIGNMENT: u64 = 32;
const CONTROLS: [&str; 3] = ["<unk>", "<s>", "</s>"];
// GGUF's numbers of kinds.
const F32: u32 = 0;
const Q8_0: u32 = 8;
const NUMBER: u32 = 4;
const SIGNED: u32 = 5;
const REAL: u32 = 6;
const TRUTH: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A file of random weights, as long as it is needed.
#[derive(Debug)]
pub struct Written(pub PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The sizes of a Llama.
#[derive(Clone, Copy, Debug)]
pub struct LanguageShape {
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
    /// Tokens that it knows; 259 at least.
    pub vocabulary: usize,
    /// Tokens that it is trained on at once, so to speak.
    pub context: usize,
}

impl LanguageShape {
    /// That of Llama 3.1 8B: 8.5 GB in 8 bits.
    pub const EIGHT_BILLION: Self = Self {
        layers: 32,
        width: 4096,
        hidden: 14_336,
        heads: 32,
        kv_heads: 8,
        vocabulary: 128_256,
        context: 8192,
    };
    /// One for machines without a GPU: 120 MB.
    pub const SMALL: Self = Self {
        layers: 8,
        width: 768,
        hidden: 2048,
        heads: 12,
        kv_heads: 4,
        vocabulary: 32_000,
        context: 4096,
    };

    /// Writes the model in 8 bits, the same for the same seed. Its tokens are bytes, and words nobody says.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&self, path: &Path, seed: u64) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let tensors = self.tensors();
        let mut head = self.header(tensors.len());
        let mut at = 0_u64;
        for (name, dimensions) in &tensors {
            text(&mut head, name);
            head.extend(u32::try_from(dimensions.len()).unwrap_or(0).to_le_bytes());
            head.extend(dimensions.iter().flat_map(|size| (*size as u64).to_le_bytes()));
            head.extend(kind(dimensions).to_le_bytes());
            head.extend(at.to_le_bytes());
            at += bytes(dimensions).next_multiple_of(ALIGNMENT);
        }
        head.resize(head.len().next_multiple_of(32), 0);
        file.write_all(&head)?;
        let blocks = blocks(seed);
        for (_, dimensions) in &tensors {
            write_tensor(&mut file, dimensions, &blocks)?;
        }
        file.flush()
    }

    /// Names and sizes, the innermost first.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let Self { layers, width, hidden, heads, kv_heads, vocabulary, .. } = *self;
        let kv = width / heads * kv_heads;
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), vec![width, vocabulary]),
            ("output_norm.weight".to_owned(), vec![width]),
            ("output.weight".to_owned(), vec![width, vocabulary]),
        ];
        for layer in 0..layers {
            let parts = [
                ("attn_norm", vec![width]),
                ("attn_q", vec![width, width]),
                ("attn_k", vec![width, kv]),
                ("attn_v", vec![width, kv]),
                ("attn_output", vec![width, width]),
                ("ffn_norm", vec![width]),
                ("ffn_gate", vec![width, hidden]),
                ("ffn_up", vec![width, hidden]),
                ("ffn_down", vec![hidden, width]),
            ];
            let named = |(part, sizes)| (format!("blk.{layer}.{part}.weight"), sizes);
            tensors.extend(parts.into_iter().map(named));
        }
        tensors
    }

    fn header(&self, tensors: usize) -> Vec<u8> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut pairs = Pairs::default();
        pairs.put("general.architecture", TEXT, |to| text(to, "llama"));
        for (key, value) in [
            ("block_count", self.layers),
            ("context_length", self.context),
            ("embedding_length", self.width),
            ("feed_forward_length", self.hidden),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("rope.dimension_count", self.width / self.heads),
        ] {
            pairs.put(&format!("llama.{key}"), NUMBER, |to| to.extend(size(value).to_le_bytes()));
        }
        pairs.put("llama.attention.layer_norm_rms_epsilon", REAL, |to| {
            to.extend(1e-5_f32.to_le_bytes());
        });
        pairs.put("tokenizer.ggml.model", TEXT, |to| text(to, "llama"));
        let bytes = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
        let known = CONTROLS.len() + 256;
        let words = (known..self.vocabulary).map(|n| format!("\u{2581}word{n}"));
        let tokens = CONTROLS.map(str::to_owned).into_iter().chain(bytes).chain(words);
        pairs.array("tokenizer.ggml.tokens", TEXT, tokens, |to, token| text(to, &token));
        let scores = std::iter::repeat_n(0.0_f32, self.vocabulary);
        pairs.array("tokenizer.ggml.scores", REAL, scores, |to, x| to.extend(x.to_le_bytes()));
        // Unknown, two of control, bytes, and words.
        let kinds = (0..self.vocabulary).map(|token| match token {
            0 => 2_u32,
            1 | 2 => 3,
            byte if byte < known => 6,
            _ => 1,
        });
        pairs.array("tokenizer.ggml.token_type", SIGNED, kinds, |to, x| {
            to.extend(x.to_le_bytes());
        });
        for (key, token) in [("unknown", 0_u32), ("bos", 1), ("eos", 2)] {
            let key = format!("tokenizer.ggml.{key}_token_id");
            pairs.put(&key, NUMBER, |to| to.extend(token.to_le_bytes()));
        }
        for key in ["add_bos_token", "add_space_prefix"] {
            pairs.put(&format!("tokenizer.ggml.{key}"), TRUTH, |to| to.push(0));
        }
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend((tensors as u64).to_le_bytes());
        head.extend(pairs.count.to_le_bytes());
        head.extend(pairs.bytes);
        head
    }
}

/// Keys and values of a header.
#[derive(Default)]
struct Pairs {
    count: u64,
    bytes: Vec<u8>,
}

impl Pairs {
    fn put(&mut self, key: &str, kind: u32, value: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        text(&mut self.bytes, key);
        self.bytes.extend(kind.to_le_bytes());
        value(&mut self.bytes);
    }

    fn array<T>(
        &mut self,
        key: &str,
        kind: u32,
        values: impl Iterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) {
        let (mut count, mut bytes) = (0_u64, Vec::new());
        for value in values {
            count += 1;
            write(&mut bytes, value);
        }
        self.put(key, ARRAY, |to| {
            to.extend(kind.to_le_bytes());
            to.extend(count.to_le_bytes());
            to.extend(bytes);
        });
    }
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

/// Norms are numbers as they are, matrices of 8 bits.
fn kind(dimensions: &[usize]) -> u32 {
    if dimensions.len() == 1 { F32 } else { Q8_0 }
}

fn bytes(dimensions: &[usize]) -> u64 {
    let count: usize = dimensions.iter().product();
    let bytes = if kind(dimensions) == F32 { count * 4 } else { count / BLOCK * (BLOCK + 2) };
    bytes as u64
}

fn blocks(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(BLOCKS * (BLOCK + 2));
    for _ in 0..BLOCKS {
        // 2 to the power of -12 as f16: weights of up to 1/32.
        bytes.extend((3_u16 << 10).to_le_bytes());
        bytes.extend((0..BLOCK / 8).flat_map(|_| random.bits().to_le_bytes()));
    }
    bytes
}

fn write_tensor(to: &mut impl Write, dimensions: &[usize], blocks: &[u8]) -> io::Result<()> {
    let all = bytes(dimensions);
    if kind(dimensions) == F32 {
        for _ in 0..all / 4 {
            to.write_all(&1.0_f32.to_le_bytes())?;
        }
    } else {
        let mut left = usize::try_from(all).unwrap_or(usize::MAX);
        while left > 0 {
            let some = left.min(blocks.len());
            to.write_all(&blocks[..some])?;
            left -= some;
        }
    }
    let padding = all.next_multiple_of(ALIGNMENT) - all;
    to.write_all(&vec![0; usize::try_from(padding).unwrap_or(0)])
}
