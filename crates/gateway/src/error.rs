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
            | Self::JournalStopped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_error() -> Vec<GatewayError> {
        let bind = SocketAddr::from(([0, 0, 0, 0], 8080));
        let path = PathBuf::from("/srv/calls");
        let source = || io::Error::from(io::ErrorKind::PermissionDenied);
        vec![
            GatewayError::Exposed { bind },
            GatewayError::Bind { bind, source: source() },
            GatewayError::Files { action: "open", path: path.clone(), source: source() },
            GatewayError::InUse { path: path.clone() },
            GatewayError::Newer { path: path.clone(), schema: 7 },
            GatewayError::Corrupt { path, reason: "file is not a database".into() },
            GatewayError::Database("database or disk is full".into()),
            GatewayError::JournalStopped,
        ]
    }

    #[test]
    fn every_error_says_what_and_what_to_do() {
        let said: Vec<_> = every_error().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!("errors", said.join("\n"));
    }

    #[test]
    fn only_what_may_pass_is_worth_another_try() {
        let retryable: Vec<_> = every_error().iter().map(GatewayError::is_retryable).collect();
        assert_eq!(retryable, [false, true, true, false, false, false, true, false]);
    }
}
