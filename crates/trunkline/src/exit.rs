//! How commands end: an error that people can act on, and an exit code that scripts can.

use std::{fmt, process::ExitCode};

use crate::config::Problems;

/// Why a command failed, with its exit code (1, or one of sysexits.h).
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

/// A file that was named is not there or not readable.
const NO_INPUT: u8 = 66;
/// Something that is needed is not available: a port in use, a model not pulled.
const UNAVAILABLE: u8 = 69;
/// The configuration is wrong.
const CONFIG: u8 = 78;
/// The input is not what it should be.
const DATA: u8 = 65;

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    pub(crate) fn unavailable(message: impl fmt::Display) -> Self {
        Self { code: UNAVAILABLE, message: message.to_string() }
    }

    /// A configuration that this machine cannot run.
    pub(crate) fn config(message: impl fmt::Display) -> Self {
        Self { code: CONFIG, message: message.to_string() }
    }

    pub(crate) fn no_input(message: impl fmt::Display) -> Self {
        Self { code: NO_INPUT, message: message.to_string() }
    }

    pub(crate) fn bad_input(message: impl fmt::Display) -> Self {
        Self { code: DATA, message: message.to_string() }
    }

    /// Tells the user and gives the code.
    #[expect(clippy::print_stderr, reason = "this is where a command tells its user")]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("trunkline: {}", self.message.trim_end());
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let count = problems.iter().count();
        let noun = if count == 1 { "problem" } else { "problems" };
        Self { code: CONFIG, message: format!("{count} {noun} in the configuration\n{problems}") }
    }
}
