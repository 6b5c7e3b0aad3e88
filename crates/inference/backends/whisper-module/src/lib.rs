//! whisper.cpp behind a few C functions, loaded at run time so that its ggml stays its own.

#[path = "../../whisper/src/abi.rs"]
mod abi;
#[path = "../../../native/src/whisper/ending.rs"]
mod ending;
mod exports;
mod steps;
mod transcription;
