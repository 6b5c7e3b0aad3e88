//! Whole calls over loopback sockets, with our own dialler, with raw SIP, and with SIPp.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "a test says what it skipped and what it measured")]

mod calls;
mod malformed;
mod media;
mod requests;
mod sipp;
mod torture;
mod world;
