//! What can go wrong with the catalog or with getting a model, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::Sha256;

/// A failure to read the catalog, or to get or verify a model.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The catalog's text is wrong; every mistake is listed.
    #[error("the model catalog cannot be used:\n  {}", problems.join("\n  "))]
    Malformed {
        /// One sentence a mistake.
        problems: Vec<String>,
    },
    /// An entry does not say what its model may be used for.
    #[error(
        "model {model} names no licence: add `licence = \"...\"` to its catalog entry, or leave it out"
    )]
    MissingLicence {
        /// The model.
        model: String,
    },
    /// No set and no model has that name.
    #[error(
        "there is no model or set called {name}{}: see `trunkline models list`",
        did_you_mean(near)
    )]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Names like it, the likeliest first.
        near: Vec<String>,
    },
    /// A file's content is not what the catalog pins.
    #[error(
        "{} has the wrong hash: expected {expected}, got {got}. Nothing of it was kept: run \
         `trunkline models pull` again; if it stays so, the source serves another file",
        file.display()
    )]
    WrongHash {
        /// The file.
        file: PathBuf,
        /// The pinned hash.
        expected: Sha256,
        /// The content's hash.
        got: Sha256,
    },
    /// A file ends too early.
    #[error(
        "{} is truncated: {got} of {expected} bytes. Nothing of it was kept: run \
         `trunkline models pull` again",
        file.display()
    )]
    Truncated {
        /// The file.
        file: PathBuf,
        /// The pinned size in bytes.
        expected: u64,
        /// How many bytes there are.
        got: u64,
    },
    /// The disk has not enough room.
    #[error(
        "not enough room in {}: {} are needed and {} are free. Free some, or choose another folder",
        dir.display(), in_words(*needed), in_words(*free)
    )]
    DiskFull {
        /// The folder on that disk.
        dir: PathBuf,
        /// The bytes still to be written, at the peak.
        needed: u64,
        /// The bytes free.
        free: u64,
    },
    /// A program that fetches is not on this machine.
    #[error(
        "{program} is not on this machine, and {wanted} comes through it: install {program}, or use \
         `--from DIR` with a folder that has the files"
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// What was to be fetched.
        wanted: String,
    },
    /// The package, or that version of it, is not offered.
    #[error("{package} is not offered by this machine's package index: {said}")]
    PackageGone {
        /// The package with its version.
        package: String,
        /// What the program said.
        said: String,
    },
    /// Fetching failed otherwise; trying again may help, and goes on where it stopped.
    #[error("{what} could not be fetched: {said}. What arrived is kept; pull again to go on")]
    FetchFailed {
        /// The package or address.
        what: String,
        /// What the program said.
        said: String,
    },
    /// The folder given has not got it.
    #[error("{} has neither {wanted}", folder.display())]
    NotInFolder {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        wanted: String,
    },
    /// A package has not got the member.
    #[error("{} has no member {member}: is it another version?", package.display())]
    MemberMissing {
        /// The package's file.
        package: PathBuf,
        /// The member.
        member: String,
    },
    /// A package cannot be read.
    #[error("{} is damaged ({reason}): delete it and pull again", package.display())]
    DamagedPackage {
        /// The package's file.
        package: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A conversion failed.
    #[error("{} could not be converted: {reason}", file.display())]
    ConversionFailed {
        /// The file that was to be made.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Every source of a file failed.
    #[error(
        "none of the sources of {file} works:\n  {}",
        attempts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
    )]
    NoSource {
        /// The file.
        file: String,
        /// What each source failed with, in order.
        attempts: Vec<CatalogError>,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CatalogError {
    /// Names the path and the attempt for `map_err`; a full disk becomes its own error.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if is_full(&source) {
                return Self::DiskFull { dir: path, needed: 1, free: 0 };
            }
            Self::Io { doing, path, source }
        }
    }

    /// Whether another source could not help either: the trouble is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Io { .. } | Self::ConversionFailed { .. })
    }
}

/// Whether an error says that the disk, or what one may use of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!(" (did you mean {}?)", near.join(" or "))
}

/// A size as people say it, to one decimal: bytes, MB or GB.
fn in_words(bytes: u64) -> String {
    const MB: u64 = 1_000_000;
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..MB => format!("{bytes} bytes"),
        MB..1_000_000_000 => format!("{} MB", tenths(MB)),
        _ => format!("{} GB", tenths(1000 * MB)),
    }
}
