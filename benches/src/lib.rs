//! Benches that need nothing but this repository: what a device carries, in virtual time, and models of random
//! weights to measure it with.

pub mod random;
pub mod random_weights;
pub mod simulation;
