//! Whole calls over loopback sockets, with our own dialler, with raw SIP, and with SIPp.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod calls;
mod malformed;
mod media;
mod sipp;
mod torture;
mod world;
