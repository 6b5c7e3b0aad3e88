//! Files by their address, through the machine's curl; an interrupted one is continued.

use std::{fs, path::Path};

use super::{CatalogError, Programs, programs::run_watched};

/// Fetches `url` into `file`, which may hold its beginning; `passed` is told of bytes that came.
pub(crate) fn download(
    programs: &Programs,
    url: &str,
    file: &Path,
    passed: &mut dyn FnMut(u64),
) -> Result<(), CatalogError> {
    let mut command = programs.curl.command(url)?;
    command
        .args(["--fail", "--location", "--silent", "--show-error", "--retry", "3"])
        .args(["--connect-timeout", "15", "--proto", "=https,http,file"])
        .args(["--continue-at", "-", "--output"])
        .arg(file)
        .arg("--")
        .arg(url);
    let size = || fs::metadata(file).map_or(0, |meta| meta.len());
    let mut seen = size();
    passed(seen);
    let mut look = || {
        let now = size().max(seen);
        passed(now - seen);
        seen = now;
    };
    let log = file.with_extension("log");
    let result = run_watched(command, &log, &mut look)
        .map_err(CatalogError::io("run a program for", file))?;
    // A leftover log is harmless.
    drop(fs::remove_file(&log));
    result.map_err(|said| CatalogError::FetchFailed { what: url.to_owned(), said })
}
