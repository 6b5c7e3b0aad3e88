//! The real program for acceptance tests: started on free ports with its own files, watched, ended.
//!
//! Tests are in `tests/tests/`, one file a story. They need the built program's path in
//! `TRUNKLINE_BIN`, as `make test` sets it; without it they say so and pass.

mod flac;
mod fuzz;
mod http;
mod ports;
mod server;
mod story;
mod table;

pub use flac::flat_flac;
pub use fuzz::{FuzzedRequest, Fuzzer};
pub use http::{Answer, get};
pub use ports::free_port;
pub use server::{Server, StartError};
pub use story::{
    Check, KEY, KEY_SHA256, Models, Outcome, clients, clients_are_installed, list, tell,
};
pub use table::table;

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// The program under test, or a message that the test is skipped.
#[expect(clippy::print_stderr, reason = "tells why a test did nothing")]
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("TRUNKLINE_BIN").filter(|path| !path.is_empty());
    if path.is_none() {
        eprintln!("skipped: TRUNKLINE_BIN does not name the program; `make test` sets it");
    }
    path.map(PathBuf::from)
}

/// Whether another program that a test calls with is on this machine; says so if not.
#[expect(clippy::print_stderr, reason = "tells why a test did nothing")]
pub fn is_installed(name: &str) -> bool {
    let found = Command::new("which").arg(name).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: {name} is not installed; scripts/setup.sh tests installs it");
    }
    found
}

/// Runs a command of the program to its end.
///
/// # Panics
/// If it cannot be run.
pub fn run(arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program()?).args(arguments).stdin(Stdio::null()).output();
    Some(output.expect("TRUNKLINE_BIN names a program that runs"))
}
