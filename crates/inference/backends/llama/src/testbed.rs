//! A language model of random weights, written where a test wants it: llama.cpp evaluates it like any
//! other, in a fraction of a millisecond a step.

use std::path::Path;

use crate::gguf::tests::Writer;

/// Letters and figures, the only tokens that the model ever prefers.
const SAID: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const CONTROLS: [&str; 3] = ["<unk>", "<s>", "</s>"];
const VOCABULARY: usize = CONTROLS.len() + 256;
const WIDTH: usize = 64;
const HIDDEN: usize = 128;
const LAYERS: u32 = 2;
const HEADS: u32 = 4;
/// Tokens that it is trained on at once, so to speak.
pub(crate) const CONTEXT_TOKENS: u32 = 512;

// ggml's numbers of how matrices are written.
const FLOAT: u32 = 0;
const FOUR_BITS: u32 = 2;
const EIGHT_BITS: u32 = 8;
/// Numbers that share a scale.
const BLOCK: usize = 32;
// Powers of two as f16.
const TWO_TO_MINUS_8: u16 = 7 << 10;
const TWO_TO_MINUS_6: u16 = 9 << 10;
const TWO_TO_MINUS_5: u16 = 10 << 10;
const TWO_TO_MINUS_4: u16 = 11 << 10;

/// Numbers by chance, the same for the same seed (`SplitMix64`, Steele et al., OOPSLA 2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn bytes(&mut self, count: usize) -> impl Iterator<Item = u8> + '_ {
        (0..count).map(|_| self.next().to_le_bytes()[3])
    }
}

/// Writes the model: 2 layers of width 64 with 4 heads, matrices of 4 bits as in most models, a token for every
/// byte. What it says depends on all that it has read: the keys and queries are large, so that each token attends
/// to few others and to other ones than its neighbour.
pub(crate) fn write_model(path: &Path, seed: u64) {
    let mut chance = Chance::of(seed);
    let embeddings = eight_bits(&mut chance, VOCABULARY, |_| TWO_TO_MINUS_6);
    let output = eight_bits(&mut chance, VOCABULARY, |token| {
        let is_said = token
            .checked_sub(CONTROLS.len())
            .is_some_and(|byte| u8::try_from(byte).is_ok_and(|byte| SAID.contains(&byte)));
        if is_said { TWO_TO_MINUS_8 } else { 0 }
    });
    let wide = |rows: usize| [WIDTH as u64, rows as u64];
    let mut model = header()
        .weights("token_embd.weight", EIGHT_BITS, &wide(VOCABULARY), &embeddings)
        .weights("output_norm.weight", FLOAT, &[WIDTH as u64], &ones())
        .weights("output.weight", EIGHT_BITS, &wide(VOCABULARY), &output);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for part in ["attn_norm", "ffn_norm"] {
            model = model.weights(&name(part), FLOAT, &[WIDTH as u64], &ones());
        }
        let matrices = [
            ("attn_q", WIDTH, WIDTH, TWO_TO_MINUS_4),
            ("attn_k", WIDTH, WIDTH, TWO_TO_MINUS_4),
            ("attn_v", WIDTH, WIDTH, TWO_TO_MINUS_5),
            ("attn_output", WIDTH, WIDTH, TWO_TO_MINUS_5),
            ("ffn_gate", WIDTH, HIDDEN, TWO_TO_MINUS_5),
            ("ffn_up", WIDTH, HIDDEN, TWO_TO_MINUS_5),
            ("ffn_down", HIDDEN, WIDTH, TWO_TO_MINUS_5),
        ];
        for (part, columns, rows, scale) in matrices {
            let bytes = four_bits(&mut chance, columns * rows, scale);
            model = model.weights(&name(part), FOUR_BITS, &[columns as u64, rows as u64], &bytes);
        }
    }
    std::fs::write(path, model.bytes()).unwrap();
}

fn header() -> Writer {
    let controls = CONTROLS.map(str::to_owned).into_iter();
    let tokens: Vec<_> =
        controls.chain((0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"))).collect();
    // Unknown, control, control, and bytes.
    let kinds: Vec<u32> = [2, 3, 3].into_iter().chain([6; 256]).collect();
    let size = |n: usize| u32::try_from(n).unwrap();
    Writer::default()
        .text("general.architecture", "llama")
        .number("llama.block_count", LAYERS)
        .number("llama.context_length", CONTEXT_TOKENS)
        .number("llama.embedding_length", size(WIDTH))
        .number("llama.feed_forward_length", size(HIDDEN))
        .number("llama.attention.head_count", HEADS)
        .number("llama.rope.dimension_count", size(WIDTH) / HEADS)
        .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .floats("tokenizer.ggml.scores", &vec![0.0; VOCABULARY])
        .numbers("tokenizer.ggml.token_type", &kinds)
        .number("tokenizer.ggml.unknown_token_id", 0)
        .number("tokenizer.ggml.bos_token_id", 1)
        .number("tokenizer.ggml.eos_token_id", 2)
        .truth("tokenizer.ggml.add_bos_token", false)
        .truth("tokenizer.ggml.add_space_prefix", false)
}

fn ones() -> Vec<u8> {
    [1.0_f32; WIDTH].iter().flat_map(|one| one.to_le_bytes()).collect()
}

/// Rows of the model's width in ggml's `Q8_0`: blocks of a scale and 32 signed bytes.
fn eight_bits(chance: &mut Chance, rows: usize, scale: impl Fn(usize) -> u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..rows {
        for _ in 0..WIDTH / BLOCK {
            bytes.extend(scale(row).to_le_bytes());
            bytes.extend(chance.bytes(BLOCK));
        }
    }
    bytes
}

/// Numbers in ggml's `Q4_0`: blocks of a scale and 32 numbers of -8 to 7, two a byte.
fn four_bits(chance: &mut Chance, count: usize, scale: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count / BLOCK {
        bytes.extend(scale.to_le_bytes());
        bytes.extend(chance.bytes(BLOCK / 2));
    }
    bytes
}
