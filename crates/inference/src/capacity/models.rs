//! What a step of each model takes, and what it holds.

use super::Gpu;

/// The part of a GPU's arithmetic that large products of matrices reach.
const ENCODER_MFU: f64 = 0.45;
const PREFILL_MFU: f64 = 0.5;
/// Seconds to start a step of a large network whose launches are recorded (CUDA graphs): the device waits.
pub(super) const START: f64 = 0.000_3;

/// Whisper, told by its network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognizer {
    /// Operations to encode a second of sound.
    pub encode_flop: f64,
    /// Seconds that windows are rounded up to.
    pub window_seconds: f64,
    /// Bytes of the whole network.
    pub weight_bytes: u64,
    /// Bytes of the decoder, read for each token.
    pub decoder_bytes: f64,
    /// Tokens of a text, whatever its length, and for each second of sound.
    pub tokens: (f64, f64),
}

impl Recognizer {
    /// Whisper large-v3 turbo in 16 bits: 2256 GFLOP for 30 s, 809 M parameters, 172 M in its decoder.
    pub const TURBO: Self = Self {
        encode_flop: 2_256e9 / 30.0,
        window_seconds: 5.0,
        weight_bytes: 1_618_000_000,
        decoder_bytes: 344e6,
        tokens: (4.0, 4.5),
    };

    /// Seconds of the window for so many seconds of sound.
    pub fn window(&self, sound_seconds: f64) -> f64 {
        (sound_seconds / self.window_seconds).ceil().max(1.0) * self.window_seconds
    }

    /// Seconds of a step in which the device waits to be told what to do: the launches of many small layers.
    pub fn start_seconds(&self, longest_seconds: f64) -> f64 {
        2e-3 + self.text(longest_seconds) * 2.0 * START
    }

    fn text(&self, sound_seconds: f64) -> f64 {
        self.tokens.0 + self.tokens.1 * sound_seconds
    }

    /// Seconds to transcribe windows of `window_seconds` all together, the longest text being that of
    /// `longest_seconds` of sound.
    pub fn step_seconds(&self, gpu: &Gpu, window_seconds: f64, longest_seconds: f64) -> f64 {
        let encoder = window_seconds * self.encode_flop / (gpu.flops * ENCODER_MFU);
        let windows = window_seconds / self.window_seconds;
        // Of four small layers: the weights, and each text's own.
        let token = self.decoder_bytes / gpu.bandwidth + windows * 1e-5;
        self.start_seconds(longest_seconds) + encoder + self.text(longest_seconds) * token
    }
}

/// A language model, told by its network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LanguageModel {
    /// What it is called on a command line.
    pub name: &'static str,
    /// Parameters that a token passes.
    pub parameters: f64,
    /// Bytes of the weights.
    pub weight_bytes: u64,
    /// Bytes of keys and values of a token.
    pub kv_bytes: u64,
}

/// The known ones: 8B is the shape of Llama 3.1 8B (32 layers, 8 heads of 128 for keys and values), 4B that of
/// Qwen3 4B (36 layers, the same heads); `q4` is 4.85 bits a weight, as `Q4_K_M` comes to.
pub const LANGUAGE_MODELS: [LanguageModel; 4] = [
    language_model("8b-bf16", 8.03e9, 16_060_000_000, 32),
    language_model("8b-q4", 8.03e9, 4_870_000_000, 32),
    language_model("4b-bf16", 4.02e9, 8_040_000_000, 36),
    language_model("4b-q4", 4.02e9, 2_440_000_000, 36),
];

const fn language_model(
    name: &'static str,
    parameters: f64,
    weight_bytes: u64,
    layers: u64,
) -> LanguageModel {
    let kv_bytes = layers * 8 * 128 * 2 * 2;
    LanguageModel { name, parameters, weight_bytes, kv_bytes }
}

impl LanguageModel {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        LANGUAGE_MODELS.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// Seconds to evaluate `rows` tokens of sequences that hold `context_tokens` together.
    pub fn step_seconds(&self, gpu: &Gpu, rows: f64, context_tokens: f64) -> f64 {
        let weights = bytes(self.weight_bytes) / gpu.bandwidth;
        let arithmetic = rows * self.row_seconds(gpu);
        let attention = context_tokens * bytes(self.kv_bytes) / gpu.bandwidth;
        START + weights.max(arithmetic) + attention
    }

    /// Seconds of a step in which the device waits.
    pub fn start_seconds(&self) -> f64 {
        START
    }

    /// Seconds of arithmetic for a token: what it takes in a step that is full.
    pub fn row_seconds(&self, gpu: &Gpu) -> f64 {
        2.0 * self.parameters / (gpu.flops * PREFILL_MFU)
    }
}

/// A voice that makes a clause in one go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceModel {
    /// Seconds of a step in which the device waits: launches of many small layers.
    pub start: f64,
    /// Bytes to and from memory for a second of sound.
    pub sound_bytes: f64,
    /// Bytes of the weights.
    pub weight_bytes: u64,
}

impl VoiceModel {
    /// Kokoro's 82 M parameters: a second of sound alone takes 27 ms of an A100 (a factor of real time of 0.03,
    /// as published), in large batches 2 ms (500 times real time).
    pub const KOKORO: Self =
        Self { start: 0.025, sound_bytes: 0.002 * 2.039e12, weight_bytes: 330_000_000 };

    /// Seconds to say so many seconds of sound together.
    pub fn step_seconds(&self, gpu: &Gpu, sound_seconds: f64) -> f64 {
        self.start + sound_seconds * self.sound_bytes / gpu.bandwidth
    }
}

/// The models of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Models {
    /// Hears.
    pub recognizer: Recognizer,
    /// Answers.
    pub language: LanguageModel,
    /// Speaks.
    pub voice: VoiceModel,
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a model")]
pub(super) fn bytes(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of the capacity model that the project began with, in milliseconds, within a tenth.
    #[test]
    fn an_a100_takes_what_was_computed_for_it() {
        let a100 = Gpu::named("A100").unwrap();
        let llm = LanguageModel::named("8b-bf16").unwrap();
        let decode = |batch: f64| llm.step_seconds(a100, batch, batch * 1_000.0) * 1e3;
        let turbo = Recognizer::TURBO;
        let encode = turbo.encode_flop * 5.0 / (a100.flops * ENCODER_MFU) * 1e3;
        let prefill = |tokens| llm.step_seconds(a100, tokens, 0.0) * 1e3;
        for (computed, expected) in [
            (decode(1.0), 7.9),
            (decode(32.0), 10.0),
            (decode(64.0), 12.1),
            (prefill(100.0), 10.3),
            (prefill(1_000.0), 103.0),
            (encode, 2.7),
        ] {
            assert!((computed / expected - 1.0).abs() < 0.1, "{computed} for {expected}");
        }
    }

    #[test]
    fn a_voice_is_published_to_take_a_thirtieth_of_its_sound_alone_and_a_500th_together() {
        let a100 = Gpu::named("a100").unwrap();
        let alone = VoiceModel::KOKORO.step_seconds(a100, 1.0);
        let together = VoiceModel::KOKORO.step_seconds(a100, 1_000.0) / 1_000.0;
        assert!((alone - 0.03).abs() < 0.004 && (1.0 / together - 500.0).abs() < 10.0);
    }
}
