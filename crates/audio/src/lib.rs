//! Sound as data: frames, resampling, codecs, jitter buffer, playout. Pure: no clock, no I/O.

mod frame;

pub use frame::{Frame, MediaTime};
