//! The model with one slot and nothing cached: what its replies are when nobody else is there.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, executor::block_on};
use trunkline_inference::{Chat, Lane, Priority, ReplyPiece, ReplyStream, TokenLogprobs};

use crate::{
    config::{Kernels, LlamaConfig},
    engine::{ReplyEngine, Request},
    network::{EvaluateError, Network, Row},
    template::ChatTemplate,
    vocabulary::Vocabulary,
    weights::Weights,
};

/// A reply and what the model thought of each of its tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) tokens: Vec<TokenLogprobs>,
    /// Tokens of the prompt that were evaluated before.
    pub(super) cached: u32,
}

impl Reply {
    pub(super) fn read(stream: ReplyStream) -> Self {
        let mut reply = Self::default();
        for piece in block_on(stream.collect::<Vec<_>>()) {
            match piece.unwrap() {
                ReplyPiece::Text(more) => reply.text.push_str(&more),
                ReplyPiece::Logprobs(more) => reply.tokens.extend(more),
                ReplyPiece::Usage { cached, .. } => reply.cached = cached,
                ReplyPiece::ToolCall(call) => panic!("nobody offered functions: {call:?}"),
            }
        }
        reply
    }
}

/// The model alone. Remembers its replies, not its prompts.
pub(super) struct Alone {
    lane: Lane<ReplyEngine<Scripted>>,
    replies: BTreeMap<String, Reply>,
}

impl Alone {
    pub(super) fn new(path: &Path, kernels: Kernels) -> Self {
        let config = LlamaConfig {
            slots: 1,
            kept_prompts: 0,
            batch_tokens: 512,
            kernels,
            ..LlamaConfig::new(path)
        };
        Self { lane: start(config, Script::default()), replies: BTreeMap::new() }
    }

    pub(super) fn reply(&mut self, chat: &Chat) -> Reply {
        let key = format!("{} {:?}", chat.options.max_tokens, chat.messages);
        if let Some(reply) = self.replies.get(&key) {
            return reply.clone();
        }
        let unheard = Chat { cache_salt: self.replies.len() as u64, ..chat.clone() };
        let reply = Reply::read(self.lane.open(Request::Chat(unheard)));
        assert_eq!(reply.cached, 0);
        self.replies.insert(key, reply.clone());
        reply
    }
}

/// Starts an engine with the model, on one thread, which asks the script before each step.
pub(super) fn start(config: LlamaConfig, script: Script) -> Lane<ReplyEngine<Scripted>> {
    let config = LlamaConfig { threads: 1, is_sharing_cores: false, gpu_layers: 0, ..config };
    let load = move || {
        let weights = Weights::load(&config)?;
        let limits = weights.limits(&config);
        let template = ChatTemplate::of_model(None, weights.token_texts()).unwrap();
        ReplyEngine::new(Scripted { weights, script }, Arc::new(template), limits)
    };
    Lane::start("equality", Priority::WithAudio, load).unwrap()
}

/// What happens before each step.
#[derive(Clone, Default)]
pub(super) struct Script(Arc<Mutex<Option<BeforeStep>>>);

type BeforeStep = Box<dyn FnMut() + Send>;

impl Script {
    pub(super) fn set(&self, before_step: impl FnMut() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(before_step));
    }

    pub(super) fn end(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn step(&self) {
        if let Some(before_step) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            before_step();
        }
    }
}

/// The model, with calls that come and go at certain steps.
pub(super) struct Scripted {
    weights: Weights,
    script: Script,
}

impl Network for Scripted {
    fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        self.weights.vocabulary()
    }

    fn can_trim(&self) -> bool {
        self.weights.can_trim()
    }

    fn trim(&mut self, sequence: usize, keep: usize) -> usize {
        self.weights.trim(sequence, keep)
    }

    fn copy(&mut self, from: usize, to: usize, keep: usize) {
        self.weights.copy(from, to, keep);
    }

    fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        self.script.step();
        self.weights.evaluate(rows, is_abandoned)
    }

    fn logits(&mut self, row: usize) -> &[f32] {
        self.weights.logits(row)
    }
}
