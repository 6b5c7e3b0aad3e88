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
        other => GatewayError::Database(other.to_string()),
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
