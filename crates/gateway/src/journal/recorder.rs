//! The task that takes durable entries from the journal's files to the store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Entry,
    meters::{Alarm, JournalMeters},
    segment,
    tail::Tail,
};
use crate::{GatewayError, Store};

/// The most entries in one transaction of the store.
const BATCH: usize = 512;
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Records what a process left in the journal when it died, and removes the files. Says the last
/// position, and how many entries were new to the store.
pub(super) async fn replay(dir: &Path, store: &dyn Store) -> Result<(u64, u64), GatewayError> {
    let applied = store.applied_position().await?;
    let mut tail = Tail::new(dir, applied);
    let mut replayed = 0;
    loop {
        let (back, entries) = read(tail, u64::MAX).await;
        tail = back;
        let entries = entries.map_err(|source| GatewayError::Files {
            action: "read the journal in",
            path: dir.to_owned(),
            source,
        })?;
        if entries.is_empty() {
            break;
        }
        store.record_batch(&entries).await?;
        replayed += entries.len() as u64;
    }
    tail.finish();
    remove(tail.take_passed()).await;
    Ok((tail.last(), replayed))
}

/// Reads the files, never memory: what it records is what a restart would record.
pub(super) struct Recorder {
    pub(super) store: Arc<dyn Store>,
    pub(super) durable: watch::Receiver<u64>,
    pub(super) recorded: watch::Sender<u64>,
    pub(super) meters: JournalMeters,
    pub(super) stop: CancellationToken,
}

impl Recorder {
    /// Records until the writer is gone and everything it wrote is in the store. When the store
    /// fails while the server stops, the rest is left to the next start.
    pub(super) async fn run(mut self, mut tail: Tail) {
        let alarm =
            Alarm::new("the call database", &self.meters.store_failing, &self.meters.store_errors);
        loop {
            let durable = *self.durable.borrow_and_update();
            let Some(back) = self.catch_up(tail, durable, &alarm).await else { return };
            tail = back;
            if self.durable.changed().await.is_err() {
                break;
            }
        }
        tail.finish();
        remove(tail.take_passed()).await;
    }

    /// Records up to this position; `None` when it stops with the store failing.
    async fn catch_up(&self, mut tail: Tail, durable: u64, alarm: &Alarm) -> Option<Tail> {
        while tail.last() < durable {
            let (back, entries) = read(tail, durable).await;
            tail = back;
            match entries {
                Ok(entries) if entries.is_empty() => {
                    tracing::error!(durable, "files of the journal are gone: who removed them?");
                    break;
                }
                Ok(entries) => {
                    self.record(&entries, alarm).await?;
                    self.recorded.send_replace(tail.last());
                    remove(tail.take_passed()).await;
                }
                Err(error) => {
                    alarm.raise(&error);
                    self.pause(FIRST_RETRY).await?;
                }
            }
        }
        Some(tail)
    }

    async fn record(&self, entries: &[Entry], alarm: &Alarm) -> Option<()> {
        let mut retry = FIRST_RETRY;
        while let Err(error) = self.store.record_batch(entries).await {
            alarm.raise(&error);
            self.pause(retry).await?;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
        alarm.clear();
        self.meters.unrecorded.dec_by(i64::try_from(entries.len()).unwrap_or(i64::MAX));
        Some(())
    }

    /// Waits before another attempt; `None` when the journal stops.
    async fn pause(&self, length: Duration) -> Option<()> {
        tokio::select! {
            () = sleep(length) => Some(()),
            () = self.stop.cancelled() => None,
        }
    }
}

async fn read(mut tail: Tail, up_to: u64) -> (Tail, io::Result<Vec<Entry>>) {
    let reading = spawn_blocking(move || {
        let entries = tail.read(up_to, BATCH);
        (tail, entries)
    });
    reading.await.expect("reading does not panic, and is not cancelled while it is awaited")
}

async fn remove(paths: Vec<PathBuf>) {
    if paths.is_empty() {
        return;
    }
    let removing = spawn_blocking(move || {
        for path in paths {
            if let Err(error) = segment::remove(&path) {
                tracing::warn!(%error, path = %path.display(), "cannot remove a journal file");
            }
        }
    });
    removing.await.expect("removing does not panic, and is not cancelled while it is awaited");
}
