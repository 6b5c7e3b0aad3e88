//! whisper.cpp behind a few C functions, loaded at run time so that its ggml stays its own.

#[path = "../../whisper/src/abi.rs"]
mod abi;
mod exports;
mod transcription;
