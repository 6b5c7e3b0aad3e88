//! Sound as data: frames, resampling, codecs, jitter buffer, playout. Pure: no clock, no I/O.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "samples travel between i16, f32 and indices; every narrowing is clamped where it can overflow"
)]

mod comfort_noise;
mod concealer;
mod frame;
pub mod g711;
mod jitter_buffer;
pub mod level;
mod playout;
mod resample;
pub mod wav;

pub use comfort_noise::ComfortNoise;
pub use concealer::Concealer;
pub use frame::{Frame, MediaTime};
pub use jitter_buffer::{
    Content, JitterBuffer, JitterConfig, JitterStatistics, Numbers, Popped, RtpPayload,
};
pub use playout::{Flushed, Full, MAX_MARKS, MAX_QUEUED, Playout, Sound, Tick};
pub use resample::{ClipSample, RateOutOfRange, Resampler, resample_all};
