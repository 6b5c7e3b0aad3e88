//! The gateway as the binary uses it: real files, real processes, real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crash;
mod failures;
mod http;
mod programs;
mod record;
mod rotation;
mod sample;
mod world;
