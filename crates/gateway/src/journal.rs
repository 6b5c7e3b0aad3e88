//! The journal: what sessions note, made durable off the audio path, then recorded in the store.
//!
//! `note` queues; the writer appends to a file and makes a batch durable with one fsync; the
//! recorder reads the file and puts the batch into the store together with its last position.
//! After a crash the next start replays what the store lacks, each entry once.

mod entry;
mod line;
mod meters;
mod recorder;
mod segment;
mod tail;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use trunkline_session::{HangupReason, Observer, Record, What};

use crate::{DataDir, GatewayError, Store};
use recorder::Recorder;
use tail::Tail;
use writer::{Noted, Writer};

pub use entry::{Answered, Entry, EvidenceNumbers, Happening, Said, StageMicros, TurnEnded};
pub use meters::JournalMeters;

/// Notes that wait to be written. When full, a note is dropped, counted in
/// `trunkline_journal_dropped_total` and logged by the writer; the call goes on.
const QUEUED_NOTES: usize = 8192;
/// Of these, places kept for beginnings and ends of calls, so that other notes go first.
const RESERVED: usize = 1024;
const DIR: &str = "journal";

/// Takes notes of calls. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: mpsc::Sender<Noted>,
    recorded: watch::Receiver<u64>,
    meters: JournalMeters,
}

/// What a start found of the process before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Entries that were durable but not yet in the store.
    pub replayed: u64,
    /// Calls that were open, and are marked as ended by a crash.
    pub crashed_calls: u64,
}

/// The journal's tasks. Whoever holds this awaits [`finish`](Self::finish) at the end.
#[derive(Debug)]
pub struct JournalTasks {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    /// What the start found.
    pub recovered: Recovered,
    /// Held until the tasks are done: they write there.
    _dir: Arc<DataDir>,
}

impl Journal {
    /// Replays what the process before left, marks its open calls as crashed, and begins to take
    /// notes, which are durable within `delay` and an fsync.
    pub async fn start(
        dir: Arc<DataDir>,
        delay: Duration,
        store: Arc<dyn Store>,
        meters: JournalMeters,
    ) -> Result<(Self, JournalTasks), GatewayError> {
        let files = dir.private_dir(DIR)?;
        let (last, recovered) = recover(&files, store.as_ref()).await?;
        let (queue, notes) = mpsc::channel(QUEUED_NOTES);
        let (durable_tx, durable) = watch::channel(last);
        let (recorded_tx, recorded) = watch::channel(last);
        let stop = CancellationToken::new();
        let writer = Writer {
            dir: files.clone(),
            delay,
            queue: notes,
            durable: durable_tx,
            meters: meters.clone(),
            stop: stop.clone(),
        };
        let to_store = Recorder {
            store,
            durable,
            recorded: recorded_tx,
            meters: meters.clone(),
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        tasks.spawn(to_store.run(Tail::new(&files, last)));
        let journal = Self { queue, recorded, meters };
        Ok((journal, JournalTasks { tasks, stop, recovered, _dir: dir }))
    }

    /// Waits until everything noted so far is durable; it survives a crash from here on.
    pub async fn flush(&self) -> Result<(), GatewayError> {
        self.flushed_position().await.map(drop)
    }

    /// Waits until everything noted so far is in the store, where questions find it.
    pub async fn settle(&self) -> Result<(), GatewayError> {
        let position = self.flushed_position().await?;
        let mut recorded = self.recorded.clone();
        let reached = recorded.wait_for(|&recorded| recorded >= position).await;
        reached.map(drop).map_err(|_| GatewayError::JournalStopped)
    }

    async fn flushed_position(&self) -> Result<u64, GatewayError> {
        let (done, position) = oneshot::channel();
        self.queue.send(Noted::Flush(done)).await.map_err(|_| GatewayError::JournalStopped)?;
        position.await.map_err(|_| GatewayError::JournalStopped)
    }
}

impl Observer for Journal {
    fn note(&self, record: Record) {
        let needed = if is_needed_most(&record.what) { 0 } else { RESERVED };
        if self.queue.capacity() > needed && self.queue.try_send(Noted::Record(record)).is_ok() {
            self.meters.queued.inc();
        } else {
            self.meters.dropped.inc();
        }
    }
}

impl JournalTasks {
    /// Stops taking notes and waits until those taken are in the store, or, when the store fails,
    /// in the journal's files.
    pub async fn finish(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the journal failed");
            }
        }
    }
}

/// Without these a call has no row, or never ends.
fn is_needed_most(what: &What) -> bool {
    match what {
        What::Answered { .. } | What::Ended { .. } => true,
        What::TurnEnded { .. }
        | What::ReplySounded { .. }
        | What::ReplyHeard { .. }
        | What::SpeechIgnored { .. }
        | What::Decided { .. }
        | What::RanDry { .. }
        | What::Pressed
        | What::ModelFailed { .. } => false,
    }
}

async fn recover(files: &Path, store: &dyn Store) -> Result<(u64, Recovered), GatewayError> {
    let (last, replayed) = recorder::replay(files, store).await?;
    let crashed_calls = store.close_open_calls(HangupReason::Crashed).await?;
    if replayed > 0 || crashed_calls > 0 {
        tracing::warn!(
            replayed,
            crashed_calls,
            "the server before this one did not stop cleanly: replayed its journal and marked its \
             open calls as crashed"
        );
    }
    Ok((last, Recovered { replayed, crashed_calls }))
}
