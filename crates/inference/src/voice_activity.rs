//! Voice activity: is somebody speaking?

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use trunkline_audio::{Frame, MediaTime};

use crate::{ModelStream, lane::Load};

/// The verdict on one window of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadScore {
    /// Probability that the window holds speech, 0..=1.
    pub probability: f32,
    /// Where the window ends in the stream.
    pub end: MediaTime,
}

/// Scores, one a window (32 ms for Silero), in order.
pub type VadStream = ModelStream<VadScore>;

/// Finds voice activity, for many calls at once.
pub trait VoiceActivity: Send + Sync {
    /// Begins to listen to 16 kHz mono frames.
    fn listen(&self, audio: Pin<Box<dyn Stream<Item = Frame> + Send>>) -> VadStream;

    /// How busy the lane is that it works on, where it has one.
    fn lane_load(&self) -> Option<Arc<Load>> {
        None
    }
}
