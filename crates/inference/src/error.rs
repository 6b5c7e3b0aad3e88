//! What can go wrong with a model.

use std::path::PathBuf;

/// A failure of a model, with what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model is not there.
    #[error("model file {path} is missing: run `trunkline models pull`")]
    Missing {
        /// The file looked for.
        path: PathBuf,
    },
    /// A file of the model cannot be used.
    #[error("model file {path} cannot be used: {reason}; run `trunkline models verify`")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine said of it.
        reason: String,
    },
    /// The request cannot be served, whoever tries.
    #[error("{0}")]
    BadRequest(String),
    /// What is to be answered is longer than the model's context leaves room for.
    #[error(
        "the prompt has {tokens} tokens, more than the {most} that the model's context leaves for it"
    )]
    TooLong {
        /// How long it is, tokens; as far as it was counted.
        tokens: usize,
        /// How long it may be.
        most: usize,
    },
    /// The engine failed at work.
    #[error("{engine} failed: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// No slot is free and the queue is full.
    #[error("{engine} has no free slot: allow fewer calls or give it more slots")]
    Busy {
        /// The engine's name.
        engine: &'static str,
    },
    /// The engine's lane thread is gone.
    #[error("the {engine} lane has stopped: see the log for its last error")]
    Stopped {
        /// The engine's name.
        engine: &'static str,
    },
}

impl ModelError {
    /// Whether the same request may succeed elsewhere or later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine { .. } | Self::Busy { .. } | Self::Stopped { .. } => true,
            Self::Missing { .. }
            | Self::Corrupt { .. }
            | Self::BadRequest(_)
            | Self::TooLong { .. } => false,
        }
    }
}
