//! The GE2E speaker encoder through candle.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "samples and tables of filters travel between i16, f32, f64 and indices, all far from their limits"
)]

mod checkpoint;
mod ge2e;
mod mel;
mod network;

pub use ge2e::{Ge2e, Ge2eConfig, footprint};

#[cfg(test)]
mod testbed;
