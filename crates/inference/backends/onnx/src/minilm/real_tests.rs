//! The real MiniLM against the same file run by Python's onnxruntime and tokenizers.

use futures::executor::block_on;

use super::*;
use crate::testbed;

fn minilm() -> MiniLm {
    let file = |name: &str| testbed::model(&format!("all-minilm-l6-v2/{name}"));
    let config = MiniLmConfig::new(file("model.onnx"), file("tokenizer.json"));
    MiniLm::load(&testbed::runtime(), &config).unwrap()
}

/// Texts, their tokens, and what Python computes: the first, second and last number of the vector, and
/// its product with the cosines of 0, 1, 2 ... 383.
const REFERENCE: [(&str, u32, [f32; 4]); 20] = [
    ("Where is the nearest pharmacy?", 8, [0.02320, 0.00781, 0.01057, -0.17522]),
    ("I need to find a drugstore close by.", 12, [0.03246, -0.00461, 0.05921, -0.37505]),
    ("My appointment is on Tuesday at nine.", 10, [-0.03216, -0.03655, -0.04101, 0.01908]),
    ("The meeting was moved to Tuesday morning.", 10, [-0.01327, -0.02875, 0.00756, 0.15681]),
    ("How do I reset my password?", 9, [0.00537, -0.06111, -0.07693, 1.04951]),
    ("I cannot log in to my account.", 10, [0.01611, -0.04673, -0.09340, 1.17530]),
    ("The cat sat on the mat.", 9, [0.12718, -0.01601, 0.05234, 0.64630]),
    ("A kitten is resting on a rug.", 10, [0.07250, 0.01417, 0.06366, -0.02035]),
    ("Stock prices fell sharply today.", 8, [0.02955, 0.00151, 0.06806, 0.93315]),
    ("Quarterly revenue grew by twelve percent.", 9, [0.08920, 0.00179, -0.01170, 1.02726]),
    ("Please cancel my order #48-213.", 11, [-0.04761, 0.00313, -0.08898, -0.03986]),
    ("I'd like a refund, please!", 12, [-0.10890, -0.00623, -0.00664, 1.06823]),
    ("What's the weather like in Zürich?", 11, [0.00835, 0.05861, 0.06392, 0.11159]),
    ("naïve café — résumé", 6, [-0.04553, -0.01951, -0.00329, 0.46641]),
    ("¿Dónde está la farmacia más cercana?", 16, [0.01370, 0.01288, -0.08729, 1.45345]),
    ("東京は日本の首都です", 12, [0.10497, 0.09472, -0.02343, -0.25844]),
    ("def add(a, b): return a + b", 14, [-0.02515, -0.00673, -0.04715, 1.69137]),
    ("a", 3, [-0.03853, 0.03608, 0.09232, 0.55044]),
    (
        "Supercalifragilisticexpialidocious antidisestablishmentarianism",
        21,
        [0.03896, -0.01126, 0.02186, -1.41855],
    ),
    (FOX, 122, [0.06194, -0.03241, 0.11068, 0.11712]),
];

/// Longer than most of what a recognizer hears in a turn.
const FOX: &str = concat!(
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. ",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. ",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. ",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. ",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. ",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog.",
);

fn embed(minilm: &MiniLm, texts: &[&str]) -> Embedded {
    block_on(minilm.embed(texts.iter().map(|&text| text.into()).collect())).unwrap()
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
#[ignore = "needs models"]
fn real_vectors_are_those_of_the_reference_alone_and_together() {
    let minilm = minilm();
    assert_eq!(minilm.dimensions(), 384);
    let cosines: Vec<f32> = (0..384_u16).map(|n| f32::from(n).cos()).collect();
    let together = embed(&minilm, &REFERENCE.map(|(text, ..)| text));
    assert_eq!(together.tokens, REFERENCE.iter().map(|(_, tokens, _)| tokens).sum::<u32>());
    for ((text, tokens, expected), batched) in REFERENCE.iter().zip(&together.vectors) {
        let alone = embed(&minilm, &[text]);
        assert_eq!(alone.tokens, *tokens, "{text}");
        for vector in [&alone.vectors[0], batched] {
            let projected = product(vector, &cosines);
            for (got, want) in [vector[0], vector[1], vector[383], projected].iter().zip(expected) {
                assert!((got - want).abs() < 1e-3, "{text}: {got} {want}");
            }
            assert!((product(vector, vector) - 1.0).abs() < 1e-5, "{text}");
        }
        let apart = alone.vectors[0].iter().zip(batched).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5, "{text}");
    }
}

#[test]
#[ignore = "needs models"]
fn real_texts_of_one_meaning_are_closer_than_any_others() {
    let vectors = embed(&minilm(), &REFERENCE.map(|(text, ..)| text)).vectors;
    for pair in [0, 2, 4, 6] {
        let likeness = product(&vectors[pair], &vectors[pair + 1]);
        let others = (0..vectors.len()).filter(|&n| n != pair && n != pair + 1);
        let next = others.map(|n| product(&vectors[pair], &vectors[n])).fold(-1.0, f32::max);
        assert!(likeness > next + 0.05, "{}: {likeness}, next {next}", REFERENCE[pair].0);
    }
}

#[test]
#[ignore = "needs models"]
fn real_text_beyond_256_tokens_is_refused_with_both_numbers() {
    let minilm = minilm();
    assert_eq!(embed(&minilm, &["word ".repeat(254).as_str()]).tokens, 256);
    let error = block_on(minilm.embed(vec!["word ".repeat(255)])).unwrap_err();
    assert!(matches!(error, ModelError::BadRequest(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("257 tokens") && text.contains("256"), "{text}");
}

#[test]
#[ignore = "needs models"]
fn real_texts_cost_what_is_printed() {
    let minilm = minilm();
    for (words, texts) in [(8, 32), (30, 8), (120, 2), (250, 1)] {
        let asked = vec!["word ".repeat(words); texts];
        let started = testbed::process_time();
        block_on(minilm.embed(asked)).unwrap();
        let cost = testbed::process_time().saturating_sub(started) / texts as u32;
        println!("{words} words, {texts} texts: {cost:?} of processor a text");
    }
}
