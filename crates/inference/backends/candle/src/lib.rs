//! Whisper on GPUs and the GE2E speaker encoder, through candle.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "samples and tables of filters travel between i16, f32, f64 and indices, all far from their limits"
)]

mod checkpoint;
mod ge2e;
mod mel;
mod network;
mod whisper;

pub use ge2e::{Ge2e, Ge2eConfig, footprint};
pub use whisper::WhisperNetwork;

#[cfg(test)]
mod testbed;
