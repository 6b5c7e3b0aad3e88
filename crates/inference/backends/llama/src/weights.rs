//! A GGUF model loaded by llama.cpp, with the context that remembers what was evaluated.

use std::sync::{Arc, OnceLock};

use llama_cpp_2::{
    LlamaCppError,
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use trunkline_inference::{ChatOptions, ModelError};

use crate::{
    config::LlamaConfig,
    cores::Cores,
    evaluator::{Evaluator, Room, signed},
    libraries, logs,
    network::{EvaluateError, Limits, Network, Row},
    template::TokenTexts,
};

/// A loaded model. Lives on one thread.
pub(crate) struct Weights {
    evaluator: Evaluator,
    model: Arc<LlamaModel>,
    control_texts: Vec<String>,
    threads: Threads,
    can_trim: bool,
}

struct Threads {
    most: usize,
    now: usize,
    /// `None` when all threads are used whatever else runs.
    cores: Option<Cores>,
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
        let room = Room {
            tokens: reply_context(config, &model).saturating_mul(config.slots.max(1)),
            sequences: config.sequences(),
            rows: config.step_tokens(),
        };
        let (evaluator, model) = Evaluator::new(model, room)
            .ok_or_else(|| corrupt("no memory for its context".to_owned()))?;
        Ok(Self {
            evaluator,
            control_texts: control_texts(&model),
            threads: Threads {
                most: size(config.threads.max(1)),
                now: 0,
                cores: config.is_sharing_cores.then(Cores::of_machine),
            },
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
            if token.0 < 0 {
                return String::new();
            }
            String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned()
        };
        TokenTexts { bos: text(vocab.bos()), eos: text(vocab.eos()) }
    }

    /// How much is evaluated at once and at most.
    pub(crate) fn limits(&self, config: &LlamaConfig) -> Limits {
        Limits {
            slots: size(config.slots.max(1)),
            sequences: size(config.sequences()),
            step_tokens: size(config.step_tokens()),
            context_tokens: size(reply_context(config, &self.model)),
            on_demand: config.is_sharing_cores,
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
        if self.evaluator.forget(signed(sequence), signed(keep)) {
            return keep;
        }
        // Taking a whole sequence away always works.
        let is_forgotten = self.evaluator.forget(signed(sequence), 0);
        debug_assert!(is_forgotten, "a whole sequence was not forgotten");
        0
    }

    fn copy(&mut self, from: usize, to: usize, keep: usize) {
        self.evaluator.share(signed(from), signed(to), signed(keep));
    }

    fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        self.choose_threads();
        self.evaluator.evaluate(rows, is_abandoned).map_err(|error| match error {
            EvaluateError::Failed(code) => {
                EvaluateError::Failed(logs::take_last_error().unwrap_or(code))
            }
            error @ (EvaluateError::Full | EvaluateError::Abandoned) => error,
        })
    }

    fn sample(&mut self, row: usize, sampler: &mut Sampler) -> LlamaToken {
        let logits = self.evaluator.logits(signed(row)).unwrap_or_default();
        match sampler {
            Sampler::Greedy => most_likely(logits),
            Sampler::Chain(chain) => draw(logits, chain),
        }
    }
}

impl Weights {
    fn choose_threads(&mut self) {
        let Threads { most, now, cores } = &mut self.threads;
        let threads = cores.map_or(*most, |cores| cores.free_for(*most));
        if threads != *now {
            *now = threads;
            self.evaluator.use_threads(signed(threads));
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

fn draw(logits: &[f32], chain: &mut LlamaSampler) -> LlamaToken {
    let candidates =
        (0..).zip(logits).map(|(id, &logit)| LlamaTokenData::new(LlamaToken(id), logit, 0.0));
    let mut candidates = LlamaTokenDataArray::from_iter(candidates, false);
    candidates.apply_sampler(chain);
    let token = candidates.selected_token().unwrap_or_else(|| most_likely(logits));
    chain.accept(token);
    token
}

/// llama.cpp's process-wide state, made once and never undone: models may come and go.
fn backend() -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceLock<Result<LlamaBackend, LlamaCppError>> = OnceLock::new();
    BACKEND
        .get_or_init(|| {
            libraries::open();
            LlamaBackend::init()
        })
        .as_ref()
        .map_err(|e| ModelError::Engine { engine: "llama", reason: e.to_string() })
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

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
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
    fn a_draw_repeats_with_its_seed_and_keeps_to_the_nucleus() {
        let logits: Vec<f32> = [5.0, 4.9, 4.8].into_iter().chain([-20.0; 100]).collect();
        let draws = |seed| {
            let samplers = [LlamaSampler::top_p(0.9, 1), LlamaSampler::dist(seed)];
            let mut chain = LlamaSampler::chain(samplers, true);
            (0..40).map(|_| draw(&logits, &mut chain).0).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!(draws(3).iter().all(|token| (0..3).contains(token)));
    }

    #[test]
    fn logits_that_are_no_numbers_do_not_stop_a_reply() {
        assert_eq!(most_likely(&[f32::NAN; 3]), LlamaToken(0));
        assert_eq!(most_likely(&[f32::NAN, 1.0, 2.0]), LlamaToken(2));
    }
}
