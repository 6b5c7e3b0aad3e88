//! What to load and how much of the machine it may use.

use std::path::PathBuf;

use trunkline_inference::Device;

/// Sequences that llama.cpp can keep apart (`LLAMA_MAX_SEQ`).
const MOST_SEQUENCES: u32 = 256;

/// A model and its share of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlamaConfig {
    /// The GGUF file.
    pub model: PathBuf,
    /// The most threads that compute. Default 2. Never more than cores: the threads wait for each
    /// other spinning, and one that has to share its core holds up the rest.
    pub threads: u32,
    /// Whether other work runs on the same cores. Default true: a step then takes only as many
    /// threads as there are cores that nothing else runs on, at least one, and there is none while
    /// nobody waits for the next piece of any reply.
    pub is_sharing_cores: bool,
    /// The longest chat with its reply, tokens. Default 4096; never more than the model was trained for.
    /// Each slot takes its share of memory from the start: 12 kB a token for a 0.5B, 28 kB for a 1.5B.
    pub context_tokens: u32,
    /// Replies at work at once, at most 256. Default 4; more wait in the lane's queue.
    pub slots: u32,
    /// Evaluated prompts kept beside those of the replies at work: of calls between two turns, of agents.
    /// The one with the fewest tokens to be evaluated anew, for how long it was of no use, is given up
    /// first. Default 16. They cost no memory of their own but 4 bytes for each token that the model knows.
    pub kept_prompts: u32,
    /// The most tokens evaluated in one step. Default 128; half of it for prompts while a reply is
    /// being written, and for warm-ups. Smaller lets a new question be noticed sooner while a long
    /// prompt is evaluated; larger evaluates long prompts faster, up to about 128.
    pub batch_tokens: u32,
    /// Whose kernels evaluate the model. Default the fastest.
    pub kernels: Kernels,
    /// Layers on the GPU, where this was built for one. Default all.
    pub gpu_layers: u32,
    /// Which GPU they run on, as CUDA numbers them; the default is the first, 0.
    pub gpu_number: u32,
    /// The device that it shares with other lanes. Default none: it steps whenever it has work.
    pub device: Option<Device>,
}

/// Whose kernels evaluate a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// This project's own where the model is on a processor that they are made for (AVX-512 with VNNI) and of
    /// a kind that they know (Llama, Qwen2 and Qwen3 with matrices of 4 to 8 bits), else llama.cpp's.
    #[default]
    Fastest,
    /// llama.cpp's.
    LlamaCpp,
    /// This project's own, on any processor; it is an error when the model is of no kind that they know.
    Native,
}

impl LlamaConfig {
    /// The defaults for a model.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            threads: 2,
            is_sharing_cores: true,
            context_tokens: 4096,
            slots: 4,
            kept_prompts: 16,
            batch_tokens: 128,
            kernels: Kernels::Fastest,
            gpu_layers: 999,
            gpu_number: 0,
            device: None,
        }
    }

    /// Replies at work at once.
    pub(crate) fn most_slots(&self) -> u32 {
        self.slots.clamp(1, MOST_SEQUENCES)
    }

    /// Sequences that the engine keeps apart: one a slot and one a kept prompt.
    pub(crate) fn sequences(&self) -> u32 {
        self.most_slots().saturating_add(self.kept_prompts).min(MOST_SEQUENCES)
    }

    /// Tokens of one chat with its reply, for a model that was trained on so many at once; 0 is not known.
    pub(crate) fn reply_context(&self, trained: u32) -> u32 {
        let asked = self.context_tokens.max(64);
        if trained > 0 { asked.min(trained) } else { asked }
    }

    /// The most rows of one step: every slot can have one.
    pub(crate) fn step_tokens(&self) -> u32 {
        self.batch_tokens.max(self.most_slots())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_row_in_a_step_however_small_the_batch() {
        let config = LlamaConfig { batch_tokens: 1, slots: 8, ..LlamaConfig::new("m.gguf") };
        assert_eq!(config.step_tokens(), 8);
    }

    #[test]
    fn there_is_a_sequence_for_every_slot() {
        let config = LlamaConfig { slots: 3, kept_prompts: 0, ..LlamaConfig::new("m.gguf") };
        assert_eq!(config.sequences(), 3);
        assert_eq!(LlamaConfig { slots: 0, ..config.clone() }.sequences(), 1);
        let many = LlamaConfig { slots: 1000, kept_prompts: 9, ..config };
        assert_eq!((many.most_slots(), many.sequences()), (256, 256));
    }
}
