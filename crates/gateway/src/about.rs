//! What a server tells operators about itself.

use serde::Serialize;

/// What runs, by its hashes, and on what. Holds nothing secret.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// The program's version.
    pub version: String,
    /// SHA-256 of the configuration: its file and what the environment overrides.
    pub config_sha256: String,
    /// The models by role.
    pub models: Vec<ModelAbout>,
    /// The machine.
    pub machine: MachineAbout,
}

/// A model and its files.
#[derive(Clone, Debug, Serialize)]
pub struct ModelAbout {
    /// What for: `stt`, `llm`, ...
    pub role: String,
    /// Its name.
    pub name: String,
    /// The SHA-256 of each file, as the catalog has it.
    pub sha256: Vec<String>,
}

/// The machine that the server runs on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MachineAbout {
    /// The processor's name.
    pub cpu: String,
    /// Cores that the server may use.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// The driver of its GPUs, where one is loaded.
    pub gpu_driver: Option<String>,
}
