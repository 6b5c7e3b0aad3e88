//! Legs that come over a wire or from a microphone.

mod call;
mod dialer;
mod dialog;
mod error;
pub mod gate;
mod leg;
#[cfg(feature = "microphone")]
mod microphone;
mod rtp;
pub mod sdp;
mod stack;
pub mod trace;
mod user_agent;

pub use dialer::{CallEvent, DialOptions, Dialer, SipCall};
pub use error::{DialError, SipError};
pub use leg::SipLeg;
#[cfg(feature = "microphone")]
pub use microphone::{MicrophoneError, MicrophoneLeg};
pub use rtp::RtpStats;
pub use user_agent::{IncomingCall, SipConfig, SipServer};
