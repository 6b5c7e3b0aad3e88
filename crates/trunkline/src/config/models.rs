//! Which models are used and what they may take.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Within;
use crate::gpu;

/// The models.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelsConfig {
    /// The folder that holds the models, one folder each, as `trunkline models pull` lays them out.
    /// Default: `$TRUNKLINE_MODELS`, else `trunkline/models` in the user's cache folder.
    pub(crate) dir: PathBuf,
    /// Hears: a Whisper model's name in the catalog. Default: `whisper-base`.
    pub(crate) stt: String,
    /// Thinks: an instruction-tuned GGUF model's name. Default: `qwen2.5-coder-1.5b-instruct`.
    pub(crate) llm: String,
    /// Speaks: a Piper or Kokoro model's name. Default: `piper-en_US-joe-medium`.
    pub(crate) tts: String,
    /// Finds voice activity. Default: `silero-vad`.
    pub(crate) vad: String,
    /// Judges ends of turns; empty for silence and words alone. Default: `smart-turn-v3.2`.
    pub(crate) end_of_turn: String,
    /// Embeds texts for programs, and judges them (`/v1/moderations`); empty for neither. Default: `all-minilm-l6-v2`.
    pub(crate) embedding: String,
    /// Tells speakers apart in transcripts of recordings; empty for none. Default: `ge2e-speaker`.
    pub(crate) speakers: String,
    /// CPU threads for each engine at work, and how many engines are at work at once, 1 to 64. More than
    /// there are free cores makes everything far slower. Default: the machine's cores, at most 4.
    pub(crate) threads: usize,
    /// Calls that may be transcribed, answered and spoken to at once, 1 to 1024: memory is set aside
    /// for each. Default: 16.
    pub(crate) slots: usize,
    /// Tokens of chat that the language model sees, 512 to 131072; older turns are left out. Default: 4096.
    pub(crate) context_tokens: u32,
    /// Where the recognizer, the language model and the Kokoro voice run: `auto` (an NVIDIA GPU where
    /// this machine has one and this program was built for it), `cpu`, or `cuda` (a GPU or not at all).
    /// Default: `auto`.
    pub(crate) device: Device,
    /// Whose kernels evaluate the language model on a processor: `native` (Trunkline's own, which take several
    /// replies at once for hardly more than one), `llama.cpp`, or `auto` (Trunkline's own where the processor has
    /// AVX-512 with VNNI and the model is a Llama, Qwen2 or Qwen3 of 4 to 8 bits, else llama.cpp's).
    /// Default: `auto`.
    pub(crate) llm_kernels: LlmKernels,
    /// Memory that is left alone, of each device that models run on, MiB, 0 to 1048576: for calls, for the
    /// system, and on a GPU for what CUDA takes beside the models. `serve` and `check` refuse models that
    /// would take more than what is free less this. Default: 512.
    pub(crate) memory_reserve_mib: u64,
}

/// Where large models run.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Device {
    /// On a GPU where there is one.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On an NVIDIA GPU.
    Cuda,
}

/// Whose kernels evaluate the language model.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LlmKernels {
    /// The fastest.
    #[default]
    Auto,
    /// Trunkline's own.
    Native,
    /// llama.cpp's.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            dir: default_dir(),
            stt: "whisper-base".into(),
            llm: "qwen2.5-coder-1.5b-instruct".into(),
            tts: "piper-en_US-joe-medium".into(),
            vad: "silero-vad".into(),
            end_of_turn: "smart-turn-v3.2".into(),
            embedding: "all-minilm-l6-v2".into(),
            speakers: "ge2e-speaker".into(),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            slots: 16,
            context_tokens: 4096,
            device: Device::default(),
            llm_kernels: LlmKernels::default(),
            memory_reserve_mib: 512,
        }
    }
}

/// Where models lie unless the config says otherwise.
pub(crate) fn default_dir() -> PathBuf {
    let cache = || super::variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || super::variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    super::variable("TRUNKLINE_MODELS").map_or_else(
        || cache().or_else(home).unwrap_or_else(|| "/var/cache".into()).join("trunkline/models"),
        PathBuf::from,
    )
}

impl ModelsConfig {
    /// Whether large models run on a GPU.
    pub(crate) fn uses_gpu(&self) -> bool {
        self.device != Device::Cpu && gpu::IS_BUILT_FOR && gpu::is_present()
    }

    /// Whether a model that does not load on the GPU may run on the CPU.
    pub(crate) fn may_use_cpu(&self) -> bool {
        self.device == Device::Auto
    }

    pub(super) fn check(&self, problems: &mut Within<'_>) {
        if !(1..=64).contains(&self.threads) {
            let what = format!("{} threads cannot work", self.threads);
            problems.add("models.threads", what, "choose 1 to 64, at most the free cores");
        }
        if !(1..=1024).contains(&self.slots) {
            let what = format!("{} slots cannot work", self.slots);
            problems.add("models.slots", what, "choose 1 to 1024");
        }
        if !(512..=131_072).contains(&self.context_tokens) {
            let what = format!("{} tokens of context cannot work", self.context_tokens);
            problems.add("models.context_tokens", what, "choose 512 to 131072");
        }
        if self.memory_reserve_mib > 1 << 20 {
            let what = format!("{} MiB of memory cannot be left alone", self.memory_reserve_mib);
            problems.add("models.memory_reserve_mib", what, "choose 0 to 1048576");
        }
        if self.device == Device::Cuda && !gpu::IS_BUILT_FOR {
            let what = "this program was not built for GPUs".to_owned();
            problems.add("models.device", what, "build it with scripts/cuda.sh, or choose `auto`");
        } else if self.device == Device::Cuda && !gpu::is_present() {
            let what = "this machine has no NVIDIA GPU".to_owned();
            problems.add("models.device", what, "install its driver, or choose `auto`");
        }
    }
}
