//! The gateway as the binary uses it: real files, real processes, real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audio;
mod chat;
mod completions;
mod crash;
mod embeddings;
mod failures;
mod http;
mod program;
mod programs;
mod realtime;
mod record;
mod responses;
mod rotation;
mod sample;
mod socket;
mod world;
