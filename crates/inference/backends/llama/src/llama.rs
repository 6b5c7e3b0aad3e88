//! The chat model: a lane around the engine.

use std::sync::{Arc, OnceLock};

use futures::stream;
use trunkline_inference::{
    Chat, ChatModel, Completion, Lane, ModelError, Overflow, Priority, ReplyStream, lane::Load,
};

use crate::{
    config::LlamaConfig,
    engine::{ReplyEngine, Request},
    network::Network,
    prompt,
    template::ChatTemplate,
    vocabulary::Vocabulary,
    weights::Weights,
};

const NAME: &str = "llama";
/// Hardly any text has longer tokens on average.
const BYTES_OF_A_TOKEN: usize = 16;

/// A local language model at work. Cloning shares it; it is unloaded when the last clone and the
/// last reply are gone.
#[derive(Clone)]
pub struct Llama {
    lane: Lane<ReplyEngine<Weights>>,
    prompts: Arc<OnceLock<Prompts>>,
    context_tokens: usize,
}

/// What makes prompts of chats: read by the lane and by whoever counts tokens.
struct Prompts {
    template: Arc<ChatTemplate>,
    vocabulary: Arc<dyn Vocabulary>,
}

impl Llama {
    /// Loads the model on a thread of its own and waits until it is loaded, seconds for large ones.
    ///
    /// Says [`ModelError::Missing`] or [`ModelError::Corrupt`] of a file that cannot be used.
    pub fn load(config: LlamaConfig) -> Result<Self, ModelError> {
        let prompts = Arc::new(OnceLock::new());
        let context_tokens = config.context_tokens as usize;
        let shared = Arc::clone(&prompts);
        let device = config.device.clone();
        let load_engine = move || {
            let weights = Weights::load(&config)?;
            let template =
                ChatTemplate::of_model(weights.chat_template().as_deref(), weights.token_texts())
                    .map_err(|reason| ModelError::Corrupt { path: config.model.clone(), reason })?;
            let template = Arc::new(template);
            let vocabulary = Arc::clone(weights.vocabulary());
            shared.get_or_init(|| Prompts { template: Arc::clone(&template), vocabulary });
            let limits = weights.limits(&config);
            ReplyEngine::new(weights, template, limits)
        };
        let lane = Lane::start_on(device, NAME, Priority::BehindAudio, load_engine)?;
        Ok(Self { lane, prompts, context_tokens })
    }

    /// Refuses what need not be counted: the lane that would count it has calls to answer.
    fn far_too_long(&self, bytes: usize) -> Option<ModelError> {
        let tokens = bytes / BYTES_OF_A_TOKEN;
        (tokens > self.context_tokens)
            .then_some(ModelError::TooLong { tokens, most: self.context_tokens })
    }

    /// Replies being worked on, warm-ups included.
    pub fn active(&self) -> usize {
        self.lane.load().active()
    }
}

impl ChatModel for Llama {
    fn reply(&self, chat: Chat) -> ReplyStream {
        let bytes = chat.messages.iter().map(|message| message.content.len()).sum();
        match self.far_too_long(bytes).filter(|_| chat.overflow == Overflow::Refuse) {
            Some(refusal) => Box::pin(stream::iter([Err(refusal)])),
            None => self.lane.open(Request::Chat(chat)),
        }
    }

    fn complete(&self, completion: Completion) -> ReplyStream {
        match self.far_too_long(completion.prompt.len()) {
            Some(refusal) => Box::pin(stream::iter([Err(refusal)])),
            None => self.lane.open(Request::Text(completion)),
        }
    }

    fn count_tokens(&self, chat: &Chat) -> Option<u32> {
        let Prompts { template, vocabulary } = self.prompts.get()?;
        let tokens = prompt::count(vocabulary.as_ref(), template, chat).ok()?;
        u32::try_from(tokens).ok()
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        vec![self.lane.load()]
    }
}

impl std::fmt::Debug for Llama {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Llama").field("active", &self.active()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_is_reported_with_its_path_and_a_remedy() {
        let error = Llama::load(LlamaConfig::new("/nowhere/model.gguf")).unwrap_err();
        assert!(matches!(&error, ModelError::Missing { path } if path.ends_with("model.gguf")));
        assert!(error.to_string().contains("trunkline models pull"));
    }

    #[test]
    fn a_file_that_is_no_model_is_reported_with_what_llama_cpp_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, b"GGUF and then nothing that makes sense").unwrap();
        let error = Llama::load(LlamaConfig::new(&path)).unwrap_err();
        assert!(
            matches!(&error, ModelError::Corrupt { reason, .. } if !reason.is_empty()),
            "{error}"
        );
        assert!(error.to_string().contains("trunkline models verify"));
    }
}
