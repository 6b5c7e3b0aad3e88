//! A leg: the caller's end of a call, whatever wire it comes over.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use trunkline_audio::Frame;
pub use trunkline_turn::{Digit, Mark, ReplyId};

use crate::{Direction, HangupReason, News};

/// What comes from the caller's end.
#[derive(Clone, Debug)]
pub enum LegInput {
    /// 20 ms of 16 kHz mono sound. Lost packets are concealed, so frames follow each other without
    /// gaps in [`trunkline_audio::MediaTime`], one every 20 ms while the call is not held.
    Audio(Frame),
    /// A key, once a press.
    Pressed(Digit),
    /// Everything queued before this mark has left for the caller.
    Played(Mark),
    /// The first audio after silence or a flush left for the caller at this time.
    Sounding(Instant),
    /// Queued audio was thrown away on [`LegOutput::Flush`].
    Flushed {
        /// The last mark that was played.
        last: Option<Mark>,
        /// How much audio left after it.
        since_mark: Duration,
    },
    /// A program at the caller's end orders something.
    Directed(Direction),
    /// The other side put the call on hold.
    Held,
    /// The call came back from hold.
    Resumed,
    /// The leg is over; nothing more will come.
    Gone(HangupReason),
}

/// What goes to the caller's end.
#[derive(Clone, Debug)]
pub enum LegOutput {
    /// 24 kHz mono sound of any length, queued behind what is queued.
    Audio(Frame),
    /// Comes back as [`LegInput::Played`] when everything queued before it has left.
    Mark(Mark),
    /// Stop now: throw away what is queued (answered by [`LegInput::Flushed`]). A pause ends too.
    Flush,
    /// Hold what is queued; the caller hears silence or comfort noise.
    Pause,
    /// Go on after [`LegOutput::Pause`].
    Resume,
    /// End the call once what is queued has left.
    HangUp(HangupReason),
}

/// The leg's queue was full; the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the leg's outgoing queue is full: the call cannot go on")]
pub struct Overrun;

/// The caller's end of a call.
///
/// The leg converts sound once: what is heard becomes 16 kHz, what is spoken goes out at the wire's
/// rate. It paces what it sends by its own clock; [`send`](Leg::send) only queues.
pub trait Leg: Send {
    /// Waits for the next thing from the caller's end. Cancel-safe: dropping the future loses
    /// nothing. After [`LegInput::Gone`] it is not called again.
    fn recv(&mut self) -> impl Future<Output = LegInput> + Send;

    /// Queues; never waits.
    fn send(&mut self, output: LegOutput) -> Result<(), Overrun>;

    /// Takes note of what happens in the call; never waits. Most legs carry sound alone.
    fn tell(&mut self, news: News) -> Result<(), Overrun> {
        drop(news);
        Ok(())
    }
}
