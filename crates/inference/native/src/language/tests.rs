//! A reader on a model of random weights. Beside llama.cpp it is tested in `trunkline-llama`.

use std::sync::Arc;

use super::{Halt, LanguageModel, LanguageSizes, Pairs, Reader, Room, Row, Tensor, Threads};

const SIZES: LanguageSizes = LanguageSizes {
    layers: 2,
    width: 64,
    hidden: 96,
    heads: 4,
    kv_heads: 2,
    head: 16,
    vocabulary: 50,
    norm_floor: 1e-5,
    rotation_base: 10_000.0,
    rotated: 16,
    pairs: Pairs::Halves,
};
const F32: u32 = 0;
const Q8_0: u32 = 8;

#[test]
fn what_is_thought_of_a_text_does_not_depend_on_how_it_is_read_or_on_others() {
    let model = model();
    let text: Vec<u32> = (0..70).map(|n| n * 7 % 50).collect();
    let mut alone = reader(&model, 1000);
    alone.evaluate(&rows(0, 0, &text), &|| false).unwrap();
    let expected = alone.logits(69).unwrap().to_vec();
    for (first, second) in [(1, 40), (31, 33), (64, 69)] {
        let mut parted = reader(&model, 1000);
        let other: Vec<u32> = text.iter().rev().copied().collect();
        let step = |from: usize, to: usize| {
            let mut step = rows(2, from, &other[from..to]);
            step.extend(rows(1, from, &text[from..to]));
            step
        };
        parted.evaluate(&step(0, first), &|| false).unwrap();
        parted.evaluate(&step(first, second), &|| false).unwrap();
        let last = step(second, 70);
        parted.evaluate(&last, &|| false).unwrap();
        assert_eq!(parted.logits(last.len() - 1).unwrap(), expected);
    }
}

#[test]
fn a_copied_beginning_goes_its_own_way() {
    let model = model();
    let text: Vec<u32> = (0..40).map(|n| n * 11 % 50).collect();
    let mut reader = reader(&model, 1000);
    reader.evaluate(&rows(0, 0, &text), &|| false).unwrap();
    let expected = reader.logits(39).unwrap().to_vec();
    reader.copy(0, 1, 36);
    reader.evaluate(&rows(1, 36, &[1, 2, 3, 4]), &|| false).unwrap();
    assert_ne!(reader.logits(3).unwrap(), expected);
    reader.trim(1, 36);
    reader.evaluate(&rows(1, 36, &text[36..]), &|| false).unwrap();
    assert_eq!(reader.logits(3).unwrap(), expected);
    reader.trim(0, 39);
    reader.evaluate(&rows(0, 39, &text[39..]), &|| false).unwrap();
    assert_eq!(reader.logits(0).unwrap(), expected);
}

#[test]
fn an_evaluation_ends_when_nobody_waits_or_there_is_no_room() {
    let model = model();
    let mut reader = reader(&model, 0);
    assert_eq!(reader.evaluate(&rows(0, 0, &[1; 130]), &|| false), Err(Halt::Full));
    assert_eq!(reader.evaluate(&rows(0, 0, &[1; 30]), &|| true), Err(Halt::Abandoned));
    assert_eq!(reader.evaluate(&rows(0, 0, &[1; 30]), &|| false), Ok(()));
    assert!(reader.logits(29).is_some() && reader.logits(28).is_none());
    assert!(reader.logits(30).is_none());
}

#[test]
fn a_model_without_a_tensor_is_refused() {
    let tensor = |name: &str| Ok(tensor(name).filter(|_| name != "blk.1.ffn_up.weight"));
    let error = LanguageModel::load(SIZES, &tensor).err().unwrap();
    assert!(error.to_string().contains("blk.1.ffn_up.weight is missing"), "{error}");
}

/// Tokens of a sequence from a position on, the last one sampled.
fn rows(sequence: usize, from: usize, tokens: &[u32]) -> Vec<Row> {
    let last = tokens.len() - 1;
    let row = |(n, &token)| Row { token, position: from + n, sequence, is_sampled: n == last };
    tokens.iter().enumerate().map(row).collect()
}

fn reader(model: &Arc<LanguageModel>, tokens: usize) -> Reader {
    Reader::new(Arc::clone(model), Room { sequences: 3, tokens }, Threads::with_this(2))
}

fn model() -> Arc<LanguageModel> {
    Arc::new(LanguageModel::load(SIZES, &|name| Ok(tensor(name))).unwrap())
}

fn tensor(name: &str) -> Option<Tensor> {
    let LanguageSizes { width, hidden, heads, kv_heads, head, vocabulary, .. } = SIZES;
    let mut seed =
        name.bytes().fold(1_u32, |seed, byte| seed.wrapping_mul(16_777_619) ^ u32::from(byte));
    let part = name.rsplit('.').nth(1)?;
    let (outputs, inputs) = match part {
        "token_embd" => (vocabulary, width),
        "attn_q" => (heads * head, width),
        "attn_k" | "attn_v" => (kv_heads * head, width),
        "attn_output" => (width, heads * head),
        "ffn_gate" | "ffn_up" => (hidden, width),
        "ffn_down" => (width, hidden),
        "attn_norm" | "ffn_norm" | "output_norm" => {
            let bytes = (0..width).flat_map(|_| 1.0_f32.to_le_bytes()).collect();
            return Some(Tensor { kind: F32, bytes });
        }
        _ => return None,
    };
    if name.ends_with("bias") {
        return None;
    }
    let mut bytes = Vec::new();
    for _ in 0..outputs * inputs / 32 {
        // About 1/300.
        bytes.extend([0xd5, 0x1a]);
        bytes.extend((0..32).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_le_bytes()[2]
        }));
    }
    Some(Tensor { kind: Q8_0, bytes })
}
