//! What can go wrong in the gateway, each with what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

/// A failure of the store, the journal or the HTTP server.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The server would show calls to everyone who reaches it.
    #[error(
        "refusing to bind {bind}: it can be reached from other machines and no admin key is set; \
         set gateway.admin_key_sha256 or bind a loopback address such as 127.0.0.1"
    )]
    Exposed {
        /// The configured address.
        bind: SocketAddr,
    },
    /// The HTTP port cannot be had.
    #[error(
        "cannot bind {bind}: {source}; is another server running? set gateway.bind to a free address"
    )]
    Bind {
        /// The configured address.
        bind: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Files {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process uses the data folder.
    #[error("the data folder {} is in use by another server; stop it or set store.data_dir", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The database was written by a newer version.
    #[error(
        "the call database {} was written by a newer version of Trunkline (schema {schema}); \
         start that version, or set store.data_dir to another folder", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema version that this version does not know.
        schema: i64,
    },
    /// The database is damaged, or is no database.
    #[error(
        "the call database {} is damaged ({reason}); restore it from a backup, or move it away \
         and start with an empty one", path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What the database engine said.
        reason: String,
    },
    /// The database failed.
    #[error("the call database failed: {0}")]
    Database(String),
    /// A value in the database is not what this version writes.
    #[error("the call database holds an unreadable {0}")]
    Unreadable(&'static str),
    /// The journal's writer is gone.
    #[error("the journal has stopped")]
    JournalStopped,
}

impl GatewayError {
    /// Whether the same call may succeed later: a full disk or a locked database may, a damaged
    /// database may not.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Files { .. } | Self::Database(_) | Self::Bind { .. } => true,
            Self::Exposed { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::Corrupt { .. }
            | Self::Unreadable(_)
            | Self::JournalStopped => false,
        }
    }
}
