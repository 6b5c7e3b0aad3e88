//! Benches that need nothing but this repository: what a device carries, in virtual time.

pub mod simulation;
