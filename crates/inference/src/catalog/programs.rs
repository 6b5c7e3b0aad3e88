//! The machine's own programs that fetch: pip, npm and curl.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use super::CatalogError;

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How much of what a failing program said is repeated, in lines from the end.
const LAST_LINES: usize = 3;

/// The programs that fetch. Which index or registry they ask is their own setting.
#[derive(Debug)]
pub struct Programs {
    /// Fetches wheels.
    pub pip: Program,
    /// Fetches npm tarballs.
    pub npm: Program,
    /// Fetches addresses.
    pub curl: Program,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            pip: Program::new("pip", &[&["python3", "-m", "pip"], &["pip3"], &["pip"]]),
            npm: Program::new("npm", &[&["npm"]]),
            curl: Program::new("curl", &[&["curl"]]),
        }
    }
}

/// A program under any of the names it goes by.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    candidates: Vec<Vec<String>>,
    found: OnceLock<Option<Vec<String>>>,
}

impl Program {
    /// A program that people call `name`, tried as each of these words in turn.
    pub fn new(name: &'static str, candidates: &[&[&str]]) -> Self {
        let words = |words: &&[&str]| words.iter().map(ToString::to_string).collect();
        Self { name, candidates: candidates.iter().map(words).collect(), found: OnceLock::new() }
    }

    /// A command of it, or the error that says what to install to get `wanted`.
    pub(crate) fn command(&self, wanted: &str) -> Result<Command, CatalogError> {
        let found =
            self.found.get_or_init(|| self.candidates.iter().find(|words| answers(words)).cloned());
        found.as_deref().and_then(to_command).ok_or_else(|| CatalogError::NoProgram {
            program: self.name,
            wanted: wanted.to_owned(),
        })
    }
}

fn answers(words: &[String]) -> bool {
    let Some(mut command) = to_command(words) else { return false };
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn to_command(words: &[String]) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments);
    Some(command)
}

/// Runs a command to its end and says whether it succeeded, and if not, its last words. `look` is
/// called while it runs and once after; what it says goes to the file `log`.
pub(crate) fn run_watched(
    mut command: Command,
    log: &Path,
    look: &mut dyn FnMut(),
) -> io::Result<Result<(), String>> {
    let said = File::create(log)?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    let mut child = command.spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        look();
        thread::sleep(POLL);
    };
    look();
    if status.success() {
        return Ok(Ok(()));
    }
    let said = fs::read(log)?;
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).copied();
    let last = last.collect::<Vec<_>>().join("; ");
    Ok(Err(if last.is_empty() { format!("it ended with {status}") } else { last }))
}
