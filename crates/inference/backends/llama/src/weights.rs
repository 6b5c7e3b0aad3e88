//! A GGUF model loaded by llama.cpp, with the context that remembers what was evaluated.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use llama_cpp_2::{
    DecodeError, LlamaCppError,
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    sampling::LlamaSampler,
    token::LlamaToken,
};
use trunkline_inference::{ChatOptions, ModelError};

use crate::{
    config::LlamaConfig,
    logs,
    network::{EvaluateError, Limits, Network, Row},
    template::TokenTexts,
};

/// A loaded model. Lives on one thread: llama.cpp makes contexts of a model one at a time.
pub(crate) struct Weights {
    // Declared before the model, so that it is dropped before it: it points into it.
    context: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    model: Arc<LlamaModel>,
    control_texts: Vec<String>,
    can_trim: bool,
}

impl Weights {
    /// Loads a model and makes room for its sequences.
    pub(crate) fn load(config: &LlamaConfig) -> Result<Self, ModelError> {
        logs::route();
        let backend = backend()?;
        if !config.model.is_file() {
            return Err(ModelError::Missing { path: config.model.clone() });
        }
        let corrupt = |fallback: String| ModelError::Corrupt {
            path: config.model.clone(),
            reason: logs::take_last_error().unwrap_or(fallback),
        };
        let params = LlamaModelParams::default().with_n_gpu_layers(config.gpu_layers);
        let model = LlamaModel::load_from_file(backend, &config.model, &params)
            .map_err(|e| corrupt(e.to_string()))?;
        let model = Arc::new(model);
        #[expect(unsafe_code, reason = "the context and its model travel in one value")]
        // SAFETY: the model is on the heap behind an `Arc` that `Weights` keeps until after the
        // context is dropped, and an `Arc` never moves or mutates what it holds.
        let lasting: &'static LlamaModel = unsafe { &*Arc::as_ptr(&model) };
        let context = lasting
            .new_context(backend, context_params(config, &model))
            .map_err(|e| corrupt(e.to_string()))?;
        let rows = usize::try_from(config.step_tokens()).unwrap_or(usize::MAX);
        Ok(Self {
            context,
            batch: LlamaBatch::new(rows, 1),
            control_texts: control_texts(&model),
            can_trim: !(model.is_recurrent() || model.is_hybrid()),
            model,
        })
    }

    /// The chat template in the file.
    pub(crate) fn chat_template(&self) -> Option<String> {
        self.model.chat_template(None).ok()?.to_string().ok()
    }

    /// The texts of the tokens that templates name.
    pub(crate) fn token_texts(&self) -> TokenTexts {
        let vocab = self.model.vocab();
        let text = |token: LlamaToken| {
            (token.0 >= 0)
                .then(|| String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into())
                .unwrap_or_default()
        };
        TokenTexts { bos: text(vocab.bos()), eos: text(vocab.eos()) }
    }

    /// How much is evaluated at once and at most.
    pub(crate) fn limits(&self, config: &LlamaConfig) -> Limits {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Limits {
            slots: size(config.slots.max(1)),
            sequences: size(config.sequences()),
            step_tokens: size(config.step_tokens()),
            context_tokens: size(reply_context(config, &self.model)),
        }
    }
}

impl Network for Weights {
    type Sampler = Sampler;

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

    fn is_end(&self, token: LlamaToken) -> bool {
        self.model.vocab().is_eog(token)
    }

    fn can_trim(&self) -> bool {
        self.can_trim
    }

    fn sampler(&self, options: &ChatOptions) -> Sampler {
        if options.temperature <= 0.0 {
            return Sampler::Greedy;
        }
        let mut chain = vec![LlamaSampler::temp(options.temperature)];
        if options.top_p < 1.0 {
            chain.push(LlamaSampler::top_p(options.top_p.max(0.0), 1));
        }
        chain.push(LlamaSampler::dist(options.seed));
        Sampler::Chain(LlamaSampler::chain(chain, true))
    }

    fn trim(&mut self, sequence: usize, keep: usize) -> usize {
        let (sequence, from) = (number(sequence), number(keep));
        if matches!(self.context.clear_kv_cache_seq(Some(sequence), Some(from), None), Ok(true)) {
            return keep;
        }
        // Taking a whole sequence away always works.
        let cleared = self.context.clear_kv_cache_seq(Some(sequence), None, None);
        debug_assert_eq!(cleared, Ok(true));
        0
    }

    fn copy(&mut self, from: usize, to: usize, keep: usize) {
        let (from, to) = (signed(from), signed(to));
        let copied = self.context.copy_kv_cache_seq(from, to, Some(0), Some(number(keep)));
        debug_assert_eq!(copied, Ok(()));
    }

    fn evaluate(&mut self, rows: &[Row]) -> Result<(), EvaluateError> {
        self.batch.clear();
        for row in rows {
            self.batch
                .add(row.token, signed(row.position), &[signed(row.sequence)], row.is_sampled)
                .map_err(|e| EvaluateError::Failed(e.to_string()))?;
        }
        self.context.decode(&mut self.batch).map_err(|error| {
            if error == DecodeError::NoKvCacheSlot {
                return EvaluateError::Full;
            }
            EvaluateError::Failed(logs::take_last_error().unwrap_or_else(|| error.to_string()))
        })
    }

    fn sample(&mut self, row: usize, sampler: &mut Sampler) -> LlamaToken {
        match sampler {
            Sampler::Greedy => most_likely(self.context.get_logits_ith(signed(row))),
            Sampler::Chain(chain) => chain.sample(&self.context, signed(row)),
        }
    }
}

/// How the next token of a reply is chosen.
pub(crate) enum Sampler {
    /// The most likely one.
    Greedy,
    /// By chance: temperature, then nucleus, then a draw from the seed.
    Chain(LlamaSampler),
}

fn most_likely(logits: &[f32]) -> LlamaToken {
    // In blocks, so that the compiler can look for the largest value of each with vector registers.
    const BLOCK: usize = 1024;
    let largest = |block: &[f32]| block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut best = (f32::NEG_INFINITY, 0);
    for (number, block) in logits.chunks(BLOCK).enumerate() {
        let value = largest(block);
        if value > best.0 {
            best = (value, number);
        }
    }
    let start = best.1 * BLOCK;
    let within = logits.iter().skip(start).position(|&logit| logit >= best.0).unwrap_or(0);
    LlamaToken(signed(start + within))
}

/// llama.cpp's process-wide state, made once and never undone: models may come and go.
fn backend() -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceLock<Result<LlamaBackend, LlamaCppError>> = OnceLock::new();
    BACKEND
        .get_or_init(LlamaBackend::init)
        .as_ref()
        .map_err(|e| ModelError::Engine { engine: "llama", reason: e.to_string() })
}

fn context_params(config: &LlamaConfig, model: &LlamaModel) -> LlamaContextParams {
    let cells = reply_context(config, model).saturating_mul(config.slots.max(1));
    let threads = i32::try_from(config.threads.max(1)).unwrap_or(i32::MAX);
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(cells))
        .with_n_seq_max(config.sequences())
        .with_n_batch(config.step_tokens())
        .with_n_ubatch(config.step_tokens())
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        // One pool of memory for all sequences, so that a shared beginning is held once; and all of
        // it for models with a sliding window, so that a sequence can be cut anywhere.
        .with_kv_unified(true)
        .with_swa_full(true)
        .with_no_perf(true)
}

fn reply_context(config: &LlamaConfig, model: &LlamaModel) -> u32 {
    let trained = model.n_ctx_train();
    let asked = config.context_tokens.max(64);
    if trained > 0 { asked.min(trained) } else { asked }
}

fn control_texts(model: &LlamaModel) -> Vec<String> {
    let vocab = model.vocab();
    let controls = vocab.tokens().filter(|&token| vocab.is_control(token));
    let texts = controls.map(|token| vocab.token_to_piece(token, true, None));
    texts.filter_map(|text| String::from_utf8(text).ok()).filter(|text| !text.is_empty()).collect()
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("counts are below the context's length")
}

fn signed(n: usize) -> i32 {
    i32::try_from(n).expect("counts are below the context's length")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_most_likely_token_is_the_first_of_the_largest(
            logits in proptest::collection::vec((-50_i16..50).prop_map(f32::from), 1..5000),
        ) {
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            let first = logits.iter().position(|&l| l >= largest).unwrap();
            prop_assert_eq!(most_likely(&logits), LlamaToken(signed(first)));
        }
    }

    #[test]
    fn logits_that_are_no_numbers_do_not_stop_a_reply() {
        assert_eq!(most_likely(&[f32::NAN; 3]), LlamaToken(0));
        assert_eq!(most_likely(&[f32::NAN, 1.0, 2.0]), LlamaToken(2));
    }
}
