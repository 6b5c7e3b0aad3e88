//! What the `[api]` section of the configuration holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::KeyDigest;

/// The OpenAI-compatible API: who may use it, and what its clients' names stand for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// SHA-256 of each API key, 64 hexadecimal digits. Default none. A request shows its key as
    /// `Authorization: Bearer KEY`; `/v1` asks for one unless the server is bound to loopback.
    pub key_sha256: Vec<KeyDigest>,
    /// Further names for the models, beside those of OpenAI's models, which are known: a name, in which
    /// `*` stands for any letters, and the local model's own name or its role: `llm`, `stt`, `tts`,
    /// `embedding`, `moderation`. Example: `{ "llama-3*" = "llm" }`. Default none.
    pub aliases: BTreeMap<String, String>,
    /// Whether the names of OpenAI's models and voices stand for local ones. Default true; each answer
    /// names the model that ran.
    pub openai_names: bool,
    /// Further names for voices: a name and the local voice's. Example: `{ "nova" = "af_bella" }`.
    /// Default none.
    pub voices: BTreeMap<String, String>,
    /// Web pages whose scripts may use the API: origins such as `https://app.example.com`, or `*` for
    /// any. Default none.
    pub cors_origins: Vec<String>,
    /// The longest upload, MiB, 1 to 1024. Default 25, as OpenAI's.
    pub max_upload_mib: u32,
    /// The longest sound of one transcription, minutes, 1 to 1440. Default 240.
    pub max_audio_minutes: u32,
    /// Requests that may be at work at once, 1 to 4096; more are answered 429. Default 64.
    pub max_requests: u32,
    /// Realtime sessions that may be under way at once, 1 to 4096; more are turned away with close code
    /// 1013. Default 64.
    pub max_realtime_sessions: u32,
    /// Requests that each key may send in a minute; more are answered 429. Default 0: no limit.
    pub requests_per_minute: u32,
    /// Tokens of the language model that each key may take in a minute, prompts and replies together.
    /// Default 0: no limit.
    pub tokens_per_minute: u32,
    /// Seconds that an answer may take to begin, 1 to 3600. Default 600, as long as OpenAI's clients wait.
    pub timeout_seconds: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            key_sha256: Vec::new(),
            aliases: BTreeMap::new(),
            openai_names: true,
            voices: BTreeMap::new(),
            cors_origins: Vec::new(),
            max_upload_mib: 25,
            max_audio_minutes: 240,
            max_requests: 64,
            max_realtime_sessions: 64,
            requests_per_minute: 0,
            tokens_per_minute: 0,
            timeout_seconds: 600,
        }
    }
}
