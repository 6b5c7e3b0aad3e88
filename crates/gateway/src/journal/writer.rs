//! The task that makes notes durable: gathers them for a moment, writes them, one fsync for all.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use trunkline_session::Record;

use super::{
    Entry, line,
    meters::{Alarm, JournalMeters},
    segment::Segment,
};

/// The most notes made durable by one fsync; more wait for the next.
const BATCH: usize = 512;
/// A file this long is followed by another, so that recorded ones can be removed.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// How soon a failed write is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// What comes through the journal's queue.
#[derive(Debug)]
pub(super) enum Noted {
    /// Write this.
    Record(Record),
    /// Say when everything before this is durable, and which position that is.
    Flush(oneshot::Sender<u64>),
}

/// Where the writer is.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) delay: Duration,
    pub(super) queue: mpsc::Receiver<Noted>,
    pub(super) durable: watch::Sender<u64>,
    pub(super) meters: JournalMeters,
    pub(super) stop: CancellationToken,
}

impl Writer {
    /// Writes until it is told to stop, then what is queued.
    pub(super) async fn run(mut self) {
        let alarm =
            Alarm::new("the journal", &self.meters.journal_failing, &self.meters.journal_errors);
        let mut segment = None;
        let mut dropped = self.meters.dropped.get();
        loop {
            let (records, flushes) = self.gather().await;
            if records.is_empty() && flushes.is_empty() {
                return;
            }
            if let Some(lines) = self.encode(records).await {
                segment = self.write(segment, lines, &alarm).await;
                if segment.is_none() {
                    return;
                }
            }
            for flush in flushes {
                // Whoever asked may have gone away.
                flush.send(*self.durable.borrow()).ok();
            }
            dropped = self.tell_of_drops(dropped);
        }
    }

    /// The next notes: at least one, and those that come within the delay or until a flush is asked
    /// for. None at all when the journal stops.
    async fn gather(&mut self) -> (Vec<Record>, Vec<oneshot::Sender<u64>>) {
        let mut noted = Vec::new();
        let stopping = tokio::select! {
            biased;
            () = self.stop.cancelled() => true,
            _ = self.queue.recv_many(&mut noted, BATCH) => false,
        };
        if stopping {
            self.queue.close();
            self.queue.recv_many(&mut noted, BATCH).await;
        }
        let deadline = Instant::now() + self.delay;
        while noted.len() < BATCH && !noted.iter().any(|n| matches!(n, Noted::Flush(_))) {
            let room = BATCH - noted.len();
            match timeout_at(deadline, self.queue.recv_many(&mut noted, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        let (mut records, mut flushes) = (Vec::new(), Vec::new());
        for note in noted {
            match note {
                Noted::Record(record) => records.push(record),
                Noted::Flush(done) => flushes.push(done),
            }
        }
        self.meters.queued.dec_by(i64::try_from(records.len()).unwrap_or(i64::MAX));
        (records, flushes)
    }

    async fn encode(&self, records: Vec<Record>) -> Option<Lines> {
        if records.is_empty() {
            return None;
        }
        let first = *self.durable.borrow() + 1;
        spawn_blocking(move || Lines::new(first, records)).await.ok()
    }

    /// Writes the lines, however often that takes; `None` when the journal is to stop and they
    /// still could not be written.
    async fn write(
        &self,
        mut segment: Option<Segment>,
        mut lines: Lines,
        alarm: &Alarm,
    ) -> Option<Segment> {
        loop {
            let dir = self.dir.clone();
            let attempt = spawn_blocking(move || (write(&dir, segment, &lines), lines)).await;
            let Ok((outcome, back)) = attempt else { return None };
            lines = back;
            match outcome {
                Ok(written) => {
                    alarm.clear();
                    self.meters.unrecorded.inc_by(lines.count());
                    self.durable.send_replace(lines.last);
                    return Some(written);
                }
                Err(error) => alarm.raise(&error),
            }
            // What a failed fsync left on disk is unknown; the lines go to a file of their own.
            segment = None;
            if self.stop.is_cancelled() {
                tracing::error!(
                    entries = lines.count(),
                    "stopped before the journal could be written"
                );
                return None;
            }
            sleep(RETRY).await;
        }
    }

    fn tell_of_drops(&self, before: u64) -> u64 {
        let dropped = self.meters.dropped.get();
        if dropped > before {
            tracing::warn!(
                entries = dropped - before,
                "the journal's queue was full and entries were dropped: the disk is too slow"
            );
        }
        dropped
    }
}

/// A batch as it is written.
struct Lines {
    first: u64,
    last: u64,
    bytes: Vec<u8>,
}

impl Lines {
    fn new(first: u64, records: Vec<Record>) -> Self {
        let mut lines = Self { first, last: first, bytes: Vec::new() };
        for (position, record) in (first..).zip(records) {
            line::encode(&Entry::new(position, record), &mut lines.bytes);
            lines.last = position;
        }
        lines
    }

    fn count(&self) -> i64 {
        i64::try_from(self.last - self.first + 1).unwrap_or(i64::MAX)
    }
}

fn write(dir: &Path, segment: Option<Segment>, lines: &Lines) -> io::Result<Segment> {
    let mut segment = match segment {
        Some(segment) if segment.length() < SEGMENT_BYTES => segment,
        Some(_) | None => Segment::create(dir, lines.first)?,
    };
    segment.append(&lines.bytes)?;
    Ok(segment)
}
