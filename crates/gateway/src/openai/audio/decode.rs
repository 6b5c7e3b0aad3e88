//! Uploaded sound of any common format, decoded to 16 kHz mono while it is being used.

mod framer;
mod reader;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet};
use trunkline_audio::Frame;

use self::{framer::Framer, reader::Reader};
use super::upload::Upload;
use crate::refusal::Refusal;

/// What listening models take.
pub(crate) const HEARD_HZ: u32 = 16_000;
/// Frames that may wait to be heard, 10 s. When full the decoder waits.
const QUEUE: usize = 500;
/// How long the decoding of one file may compute; hours of sound take seconds.
const WORK: Duration = Duration::from_mins(10);

/// The sound of an upload. Dropping it ends the decoding.
pub(crate) struct Sound {
    frames: mpsc::Receiver<Result<Frame, Refusal>>,
    _thread: JoinSet<()>,
}

/// Why a decoding ended before the file did.
enum Stop {
    /// Nobody wants the sound.
    Unwanted,
    /// The file is at fault.
    Refused(Refusal),
}

impl Sound {
    /// Begins to decode `file` on a thread of its own; more than `longest` of sound is refused.
    pub(crate) fn decode(file: Upload, longest: Duration) -> Self {
        let (sender, frames) = mpsc::channel(QUEUE);
        let mut thread = JoinSet::new();
        thread.spawn_blocking(move || {
            // Decoders read what strangers wrote: one that panics must cost only its own request.
            let decoded = catch_unwind(AssertUnwindSafe(|| decode(file, longest, &sender)));
            let refusal = match decoded {
                Ok(Ok(()) | Err(Stop::Unwanted)) => return,
                Ok(Err(Stop::Refused(refusal))) => refusal,
                Err(_) => unreadable("the decoder failed at it"),
            };
            // A receiver that is gone needs no reason.
            drop(sender.blocking_send(Err(refusal)));
        });
        Self { frames, _thread: thread }
    }

    /// The next 20 ms, or why there are none; the last ones may be fewer.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Refusal>> {
        self.frames.recv().await
    }
}

fn unreadable(reason: impl std::fmt::Display) -> Refusal {
    let message = format!(
        "the file cannot be decoded: {reason}; send WAV, FLAC, MP3, MP4 or M4A (AAC, ALAC), \
         Ogg (Vorbis, Opus) or WebM"
    );
    Refusal::bad_param("file", message)
}

fn decode(
    file: Upload,
    longest: Duration,
    listener: &mpsc::Sender<Result<Frame, Refusal>>,
) -> Result<(), Stop> {
    let mut framer = Framer::new(file.as_ref().len(), longest);
    let mut reader = Reader::open(file).map_err(Stop::Refused)?;
    if let Some(length) = reader.length() {
        framer.expect(length).map_err(Stop::Refused)?;
    }
    let mut worked = Duration::ZERO;
    loop {
        let began = Instant::now();
        let sound = reader.next().map_err(Stop::Refused)?;
        let is_last = sound.is_none();
        match sound {
            Some((mono, hz)) => framer.push(mono, hz).map_err(Stop::Refused)?,
            None => framer.finish().map_err(Stop::Refused)?,
        }
        worked += began.elapsed();
        if worked > WORK {
            return Err(Stop::Refused(unreadable("it takes too long")));
        }
        while let Some(frame) = framer.next_frame(is_last) {
            listener.blocking_send(Ok(frame)).map_err(|_| Stop::Unwanted)?;
        }
        if is_last {
            return Ok(());
        }
        if listener.is_closed() {
            return Err(Stop::Unwanted);
        }
    }
}

#[cfg(test)]
mod tests;
