//! The store in one SQLite file: write-ahead log, one writer, several readers.

mod read;
mod record;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use trunkline_session::{CallId, HangupReason};

use crate::{
    GatewayError,
    data_dir::DataDir,
    journal::Entry,
    store::{Answer, Call, CallFilter, CallRecord, Store},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
/// How long a statement waits for another process's lock: a backup tool's, say.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a question waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Operators asking at once; more wait for their turn.
const READERS: u32 = 4;
const FILE: &str = "calls.sqlite";
/// SQLite's primary result codes for damage: <https://sqlite.org/rescode.html>.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

/// Calls in `calls.sqlite` of a data folder.
pub struct SqliteStore {
    path: PathBuf,
    /// One connection: SQLite lets one write at a time, and a second would only wait on its lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database, making it when it is missing and bringing its tables up to date.
    pub async fn open(dir: &DataDir) -> Result<Self, GatewayError> {
        let path = dir.path().join(FILE);
        // Made here rather than by SQLite, for its mode; the log beside it takes the same.
        dir.private_file(FILE)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // With each commit on disk, a journal file may go once its entries are recorded.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let open = async |connections, options| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_with(options)
                .await
                .map_err(|e| failure(&path, &e))
        };
        let writer = open(1, options.clone()).await?;
        MIGRATIONS.run(&writer).await.map_err(|e| migration_failure(&path, e))?;
        let readers = open(READERS, options.read_only(true)).await?;
        Ok(Self { path, writer, readers })
    }

    fn failure(&self, error: &sqlx::Error) -> GatewayError {
        failure(&self.path, error)
    }
}

impl Store for SqliteStore {
    fn record_batch<'a>(&'a self, entries: &'a [Entry]) -> Answer<'a, ()> {
        async move { record::batch(&self.writer, entries).await.map_err(|e| self.failure(&e)) }
            .boxed()
    }

    fn applied_position(&self) -> Answer<'_, u64> {
        async move {
            let mut connection = self.writer.acquire().await.map_err(|e| self.failure(&e))?;
            record::applied_position(&mut connection).await.map_err(|e| self.failure(&e))
        }
        .boxed()
    }

    fn close_open_calls(&self, reason: HangupReason) -> Answer<'_, u64> {
        async move {
            record::close_open_calls(&self.writer, reason).await.map_err(|e| self.failure(&e))
        }
        .boxed()
    }

    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        limit: u32,
        before: Option<CallId>,
    ) -> Answer<'a, Vec<Call>> {
        async move {
            read::calls(&self.readers, filter, limit, before).await.map_err(|e| self.failure(&e))
        }
        .boxed()
    }

    fn call(&self, id: CallId) -> Answer<'_, Option<CallRecord>> {
        async move { read::call(&self.readers, id).await.map_err(|e| self.failure(&e)) }.boxed()
    }

    fn call_with_wire_id<'a>(&'a self, wire_id: &'a str) -> Answer<'a, Option<CallId>> {
        async move {
            read::call_with_wire_id(&self.readers, wire_id).await.map_err(|e| self.failure(&e))
        }
        .boxed()
    }

    fn check_reachable(&self) -> Answer<'_, ()> {
        async move { read::check_reachable(&self.readers).await.map_err(|e| self.failure(&e)) }
            .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.readers.close().await;
            self.writer.close().await;
        }
        .boxed()
    }
}

fn migration_failure(path: &Path, error: MigrateError) -> GatewayError {
    match error {
        MigrateError::VersionMissing(schema) | MigrateError::VersionTooNew(schema, _) => {
            GatewayError::Newer { path: path.to_owned(), schema }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failure(path, &error)
        }
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            let reason = format!("its schema {version} is not the one that Trunkline writes");
            GatewayError::Corrupt { path: path.to_owned(), reason }
        }
        MigrateError::Source(_)
        | MigrateError::VersionNotPresent(_)
        | MigrateError::VersionTooOld(..)
        | MigrateError::CreateSchemasNotSupported(_)
        | _ => GatewayError::Database(error.to_string()),
    }
}

fn failure(path: &Path, error: &sqlx::Error) -> GatewayError {
    let result_code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok());
    // The low byte is the primary code, the rest says more.
    let damaged =
        result_code.is_some_and(|code| [SQLITE_CORRUPT, SQLITE_NOTADB].contains(&(code & 0xff)));
    if damaged || matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
        return GatewayError::Corrupt { path: path.to_owned(), reason: error.to_string() };
    }
    GatewayError::Database(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use trunkline_session::{Record, What};

    use super::*;

    fn entry(position: u64, text: String) -> Entry {
        let what = What::ModelFailed { reason: text };
        Entry::new(position, Record { call: CallId::new(), at: SystemTime::now(), what })
    }

    #[tokio::test]
    async fn a_full_disk_leaves_nothing_half_written_and_is_worth_another_try() {
        let root = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&DataDir::open(root.path()).unwrap()).await.unwrap();
        store.record_batch(&[entry(1, "before".into())]).await.unwrap();
        let batch = [entry(2, "small".into()), entry(3, "large".repeat(200_000))];
        sqlx::query("PRAGMA max_page_count = 40").execute(&store.writer).await.unwrap();
        let error = store.record_batch(&batch).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("full"), "{error}");
        assert_eq!(store.applied_position().await.unwrap(), 1);
        let filter = CallFilter::default();
        assert_eq!(store.calls(&filter, 10, None).await.unwrap().len(), 1);
        // The next try is on a new connection, which has no limit.
        store.record_batch(&batch).await.unwrap();
        assert_eq!(store.applied_position().await.unwrap(), 3);
        assert_eq!(store.calls(&filter, 10, None).await.unwrap().len(), 3);
        store.close().await;
    }

    #[tokio::test]
    async fn a_clock_that_jumps_back_makes_no_call_end_before_it_began() {
        let root = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&DataDir::open(root.path()).unwrap()).await.unwrap();
        let (call, now) = (CallId::new(), SystemTime::now());
        let (wire_id, from, to, agent) = Default::default();
        let late = now + Duration::from_hours(1);
        let records = [
            Record { call, at: now, what: What::Pressed },
            Record {
                call,
                at: late,
                what: What::Answered { wire_id, from, to, leg: "sip", agent },
            },
            Record { call, at: now, what: What::Pressed },
        ];
        let entries: Vec<_> = (1..).zip(records).map(|(p, r)| Entry::new(p, r)).collect();
        store.record_batch(&entries).await.unwrap();
        assert_eq!(store.close_open_calls(HangupReason::Crashed).await.unwrap(), 1);
        let ended = store.call(call).await.unwrap().unwrap().call.ended.unwrap();
        assert_eq!(ended.duration_us, 0);
        store.close().await;
    }
}
