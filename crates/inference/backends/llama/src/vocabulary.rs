//! The tokens of a model: texts into tokens and back. Shared by the lane and by whoever counts
//! tokens meanwhile.

use std::sync::Arc;

use llama_cpp_2::{model::LlamaModel, token::LlamaToken};

/// The tokens of a model, numbered from 0.
pub(crate) trait Vocabulary: Send + Sync {
    /// How many there are.
    fn size(&self) -> usize;
    /// The tokens of a text, the texts of control tokens read as such.
    fn tokenize(&self, text: &str) -> Vec<LlamaToken>;
    /// The texts of the control tokens.
    fn control_texts(&self) -> &[String];
    /// The bytes that a token stands for; none for control tokens. May end inside a character.
    fn piece(&self, token: LlamaToken) -> Vec<u8>;
    /// The bytes that a person is shown for a token: those of `piece`, or a control token's text.
    fn shown(&self, token: LlamaToken) -> Vec<u8>;
    /// Whether the token ends a reply.
    fn is_end(&self, token: LlamaToken) -> bool;
}

/// The tokens of a loaded model. llama.cpp never changes them, so that any thread may read them.
pub(crate) struct ModelVocabulary {
    model: Arc<LlamaModel>,
    control_texts: Vec<String>,
}

impl ModelVocabulary {
    /// Those of this model.
    pub(crate) fn of(model: &Arc<LlamaModel>) -> Self {
        Self { model: Arc::clone(model), control_texts: control_texts(model) }
    }
}

impl Vocabulary for ModelVocabulary {
    fn size(&self) -> usize {
        usize::try_from(self.model.vocab().n_tokens()).unwrap_or(0)
    }

    fn tokenize(&self, text: &str) -> Vec<LlamaToken> {
        let vocab = self.model.vocab();
        let mut tokens = vocab.tokenize(text.as_bytes(), false, true);
        if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
            tokens.insert(0, vocab.bos());
        }
        tokens
    }

    fn control_texts(&self) -> &[String] {
        &self.control_texts
    }

    fn piece(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, false, None)
    }

    fn shown(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, true, None)
    }

    fn is_end(&self, token: LlamaToken) -> bool {
        self.model.vocab().is_eog(token)
    }
}

fn control_texts(model: &LlamaModel) -> Vec<String> {
    let vocab = model.vocab();
    let controls = vocab.tokens().filter(|&token| vocab.is_control(token));
    let texts = controls.map(|token| vocab.token_to_piece(token, true, None));
    texts.filter_map(|text| String::from_utf8(text).ok()).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
pub(crate) mod toy {
    use super::*;

    /// A token for every byte, and some for several bytes. Token 0 ends a reply.
    pub(crate) struct Toy {
        words: Vec<Vec<u8>>,
    }

    impl Toy {
        /// Bytes alone.
        pub(crate) fn bytes() -> Self {
            Self::with(&[])
        }

        /// Bytes and these words.
        pub(crate) fn with(words: &[&str]) -> Self {
            let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
            Self { words: bytes.chain(words.iter().map(|w| w.as_bytes().to_vec())).collect() }
        }
    }

    impl Vocabulary for Toy {
        fn size(&self) -> usize {
            self.words.len()
        }

        fn tokenize(&self, text: &str) -> Vec<LlamaToken> {
            text.bytes().map(|b| LlamaToken(i32::from(b))).collect()
        }

        fn control_texts(&self) -> &[String] {
            &[]
        }

        fn piece(&self, token: LlamaToken) -> Vec<u8> {
            if self.is_end(token) { Vec::new() } else { self.shown(token) }
        }

        fn shown(&self, token: LlamaToken) -> Vec<u8> {
            self.words[usize::try_from(token.0).unwrap()].clone()
        }

        fn is_end(&self, token: LlamaToken) -> bool {
            token.0 == 0
        }
    }
}
