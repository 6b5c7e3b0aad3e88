//! What waits to be sent to a client: bounded, so that one that does not read is noticed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;
use trunkline_session::Overrun;

/// Frames that may wait; one more ends the session.
const FRAMES: usize = 8_192;
/// Bytes that may wait; more ends the session. 16 MiB: four minutes of speech.
const BYTES: usize = 16 * 1024 * 1024;

/// A frame to the client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// An event.
    Text(String),
    /// The end, with its code and reason.
    Close(u16, &'static str),
}

impl Outgoing {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Close(..) => 0,
        }
    }
}

/// Where frames are put.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

/// Where frames are taken.
#[derive(Debug)]
pub(crate) struct Outlet {
    frames: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

/// Both ends.
pub(crate) fn new() -> (Outbox, Outlet) {
    let (sender, receiver) = mpsc::channel(FRAMES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox { frames: sender, waiting: Arc::clone(&waiting) };
    (outbox, Outlet { frames: receiver, waiting })
}

impl Outbox {
    /// Queues; never waits. A client that is gone takes everything.
    pub(crate) fn send(&self, frame: Outgoing) -> Result<(), Overrun> {
        let bytes = frame.bytes();
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES {
            return Err(Overrun);
        }
        match self.frames.try_send(frame) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overrun),
        }
    }
}

impl Outlet {
    /// The next frame; `None` when there will be no more. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        let frame = self.frames.recv().await?;
        self.waiting.fetch_sub(frame.bytes(), Ordering::Relaxed);
        Some(frame)
    }

    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Outgoing> {
        let frame = self.frames.try_recv().ok()?;
        self.waiting.fetch_sub(frame.bytes(), Ordering::Relaxed);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_makes_room() {
        let (outbox, mut outlet) = new();
        let half = || Outgoing::Text("x".repeat(BYTES / 2));
        assert_eq!(outbox.send(half()), Ok(()));
        assert_eq!(outbox.send(half()), Ok(()));
        assert!(outlet.try_next().is_some());
        assert_eq!(outbox.send(half()), Ok(()));
        assert_eq!(outbox.send(half()), Err(Overrun));
    }

    #[test]
    fn a_client_that_is_gone_takes_everything() {
        let (outbox, outlet) = new();
        drop(outlet);
        assert_eq!(outbox.send(Outgoing::Close(1000, "")), Ok(()));
    }
}
