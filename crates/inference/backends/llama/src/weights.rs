//! A GGUF model loaded by llama.cpp, with the context that remembers what was evaluated.

use std::sync::{Arc, OnceLock};

use llama_cpp_2::{
    LlamaCppError,
    llama_backend::LlamaBackend,
    model::{
        LlamaModel,
        params::{LlamaModelParams, LlamaSplitMode},
    },
    token::LlamaToken,
};
use trunkline_inference::ModelError;

use crate::{
    config::LlamaConfig,
    cores::Cores,
    evaluator::{Evaluator, Room, signed},
    libraries, logs,
    network::{EvaluateError, Limits, Network, Row},
    template::TokenTexts,
    vocabulary::{ModelVocabulary, Vocabulary},
};

/// A loaded model. Lives on one thread.
pub(crate) struct Weights {
    evaluator: Evaluator,
    model: Arc<LlamaModel>,
    vocabulary: Arc<dyn Vocabulary>,
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
        let mut params = LlamaModelParams::default().with_n_gpu_layers(config.gpu_layers);
        if config.gpu_layers > 0 && backend.supports_gpu_offload() {
            // All on the first GPU: memory is reckoned a device, and layers spread over several would wait
            // for each other in every step.
            params = params.with_split_mode(LlamaSplitMode::None).with_main_gpu(0);
        }
        let model = LlamaModel::load_from_file(backend, &config.model, &params)
            .map_err(|e| corrupt(e.to_string()))?;
        let room = Room {
            tokens: config.reply_context(model.n_ctx_train()).saturating_mul(config.most_slots()),
            sequences: config.sequences(),
            rows: config.step_tokens(),
        };
        let (evaluator, model) = Evaluator::new(model, room)
            .ok_or_else(|| corrupt("no memory for its context".to_owned()))?;
        Ok(Self {
            evaluator,
            vocabulary: Arc::new(ModelVocabulary::of(&model)),
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
            slots: size(config.most_slots()),
            sequences: size(config.sequences()),
            step_tokens: size(config.step_tokens()),
            context_tokens: size(config.reply_context(self.model.n_ctx_train())),
            on_demand: config.is_sharing_cores,
        }
    }
}

impl Network for Weights {
    fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        &self.vocabulary
    }

    fn can_trim(&self) -> bool {
        self.can_trim
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

    fn logits(&mut self, row: usize) -> &[f32] {
        self.evaluator.logits(signed(row)).unwrap_or_default()
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

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
