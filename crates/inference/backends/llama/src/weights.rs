//! A loaded GGUF model, with what remembers what was evaluated: its tokens are llama.cpp's, its weights
//! llama.cpp's or evaluated here.

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
    native::{Native, Plan},
    network::{EvaluateError, Limits, Network, Row},
    template::TokenTexts,
    vocabulary::{ModelVocabulary, Vocabulary},
};

/// A loaded model. Lives on one thread.
pub(crate) struct Weights {
    at_work: AtWork,
    model: Arc<LlamaModel>,
    vocabulary: Arc<dyn Vocabulary>,
    /// Tokens that it was trained on at once; 0 when it is not said.
    trained: u32,
    can_trim: bool,
}

/// What evaluates.
enum AtWork {
    LlamaCpp { evaluator: Evaluator, threads: Threads },
    Native(Box<Native>),
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
        let is_on_gpu = config.gpu_layers > 0 && backend.supports_gpu_offload();
        match Plan::of(config, is_on_gpu)? {
            Some(plan) => Self::load_native(config, backend, &plan),
            None => Self::load_llama_cpp(config, backend, is_on_gpu),
        }
    }

    fn load_llama_cpp(
        config: &LlamaConfig,
        backend: &LlamaBackend,
        is_on_gpu: bool,
    ) -> Result<Self, ModelError> {
        let mut params = LlamaModelParams::default().with_n_gpu_layers(config.gpu_layers);
        if is_on_gpu {
            // All on one GPU: memory is reckoned a device, and layers spread over several would wait
            // for each other in every step.
            let number = i32::try_from(config.gpu_number).unwrap_or(0);
            params = params.with_split_mode(LlamaSplitMode::None).with_main_gpu(number);
        }
        let model = read(config, backend, &params)?;
        let trained = model.n_ctx_train();
        let room = Room {
            tokens: config.reply_context(trained).saturating_mul(config.most_slots()),
            sequences: config.sequences(),
            rows: config.step_tokens(),
        };
        let (evaluator, model) = Evaluator::new(model, room)
            .ok_or_else(|| corrupt(config, "no memory for its context".to_owned()))?;
        let threads = Threads {
            most: size(config.threads.max(1)),
            now: 0,
            cores: config.is_sharing_cores.then(Cores::of_machine),
        };
        Ok(Self {
            at_work: AtWork::LlamaCpp { evaluator, threads },
            vocabulary: Arc::new(ModelVocabulary::of(&model)),
            trained,
            can_trim: !(model.is_recurrent() || model.is_hybrid()),
            model,
        })
    }

    /// Loads the tokens with llama.cpp, and nothing else.
    fn load_native(
        config: &LlamaConfig,
        backend: &LlamaBackend,
        plan: &Plan,
    ) -> Result<Self, ModelError> {
        let model = read(config, backend, &LlamaModelParams::default().with_vocab_only(true))?;
        let model = Arc::new(model);
        Ok(Self {
            at_work: AtWork::Native(Box::new(plan.load(config)?)),
            vocabulary: Arc::new(ModelVocabulary::of(&model)),
            trained: plan.trained(),
            can_trim: true,
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
            context_tokens: size(config.reply_context(self.trained)),
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
        match &mut self.at_work {
            AtWork::Native(native) => {
                native.trim(sequence, keep);
                keep
            }
            AtWork::LlamaCpp { evaluator, .. } => {
                if evaluator.forget(signed(sequence), signed(keep)) {
                    return keep;
                }
                // Taking a whole sequence away always works.
                let is_forgotten = evaluator.forget(signed(sequence), 0);
                debug_assert!(is_forgotten, "a whole sequence was not forgotten");
                0
            }
        }
    }

    fn copy(&mut self, from: usize, to: usize, keep: usize) {
        match &mut self.at_work {
            AtWork::Native(native) => native.copy(from, to, keep),
            AtWork::LlamaCpp { evaluator, .. } => {
                evaluator.share(signed(from), signed(to), signed(keep));
            }
        }
    }

    fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        let (evaluator, threads) = match &mut self.at_work {
            AtWork::Native(native) => return native.evaluate(rows, is_abandoned),
            AtWork::LlamaCpp { evaluator, threads } => (evaluator, threads),
        };
        threads.choose(evaluator);
        evaluator.evaluate(rows, is_abandoned).map_err(|error| match error {
            EvaluateError::Failed(code) => {
                EvaluateError::Failed(logs::take_last_error().unwrap_or(code))
            }
            error @ (EvaluateError::Full | EvaluateError::Abandoned) => error,
        })
    }

    fn logits(&mut self, row: usize) -> &[f32] {
        match &mut self.at_work {
            AtWork::Native(native) => native.logits(row),
            AtWork::LlamaCpp { evaluator, .. } => evaluator.logits(signed(row)),
        }
        .unwrap_or_default()
    }
}

impl Threads {
    /// Has the next evaluations take as many threads as there are cores for.
    fn choose(&mut self, evaluator: &mut Evaluator) {
        let Self { most, now, cores } = self;
        let threads = cores.map_or(*most, |cores| cores.free_for(*most));
        if threads != *now {
            *now = threads;
            evaluator.use_threads(signed(threads));
        }
    }
}

fn read(
    config: &LlamaConfig,
    backend: &LlamaBackend,
    params: &LlamaModelParams,
) -> Result<LlamaModel, ModelError> {
    LlamaModel::load_from_file(backend, &config.model, params)
        .map_err(|error| corrupt(config, error.to_string()))
}

fn corrupt(config: &LlamaConfig, fallback: String) -> ModelError {
    ModelError::Corrupt {
        path: config.model.clone(),
        reason: logs::take_last_error().unwrap_or(fallback),
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
