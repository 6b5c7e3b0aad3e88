//! A fake engine that embeds.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{FutureExt, future::BoxFuture};
use trunkline_inference::{Embedded, ModelError, TextEmbedder};

/// Numbers in a vector.
const DIMENSIONS: usize = 8;
/// The longest text, words.
const WORDS: usize = 512;

/// Turns each text into eight numbers that depend on its words alone, whatever their order. Each word
/// counts as a token; a text of more than 512 words is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeEmbedder;

impl TextEmbedder for FakeEmbedder {
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Embedded, ModelError>> {
        let words = |text: &String| text.split_whitespace().count();
        let embedded = match texts.iter().map(words).max() {
            Some(most) if most > WORDS => {
                let message = format!("a text has {most} words: {WORDS} are the most");
                Err(ModelError::BadRequest(message))
            }
            Some(_) | None => Ok(Embedded {
                vectors: texts.iter().map(|text| vector(text)).collect(),
                tokens: u32::try_from(texts.iter().map(words).sum::<usize>()).unwrap_or(u32::MAX),
            }),
        };
        std::future::ready(embedded).boxed()
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }
}

/// The sum of a vector for each word, of length 1. A text without words points along the first axis.
fn vector(text: &str) -> Vec<f32> {
    let mut sum = [0.0_f32; DIMENSIONS];
    for word in text.split_whitespace() {
        let mut hasher = DefaultHasher::new();
        word.hash(&mut hasher);
        for (number, byte) in sum.iter_mut().zip(hasher.finish().to_le_bytes()) {
            *number += f32::from(byte) - 127.5;
        }
    }
    if sum.iter().all(|number| *number == 0.0) {
        sum[0] = 1.0;
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    sum.iter().map(|number| number / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_same_words_have_the_same_vector_of_length_one() {
        let texts = ["one two", "two one", "three", ""].map(str::to_owned).to_vec();
        let embedded = FakeEmbedder.embed(texts).now_or_never().unwrap().unwrap();
        let vectors = &embedded.vectors;
        assert_eq!((vectors[0] == vectors[1], vectors[0] == vectors[2]), (true, false));
        assert_eq!(embedded.tokens, 5);
        for vector in vectors {
            let length: f32 = vector.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-5, "{vector:?}");
        }
        let long = vec!["word ".repeat(WORDS + 1)];
        assert!(FakeEmbedder.embed(long).now_or_never().unwrap().is_err());
    }
}
