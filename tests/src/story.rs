//! Programs of `tests/clients` that check the server with real clients, and what they tell.

use std::{
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// The key that the stories show.
pub const KEY: &str = "sk-trunkline-test";
/// SHA-256 of [`KEY`], for the configuration.
pub const KEY_SHA256: &str = "9de59a9c5a92bc10d79fc1e17b2e9173ab6594f7d1d6306e4fc8a7084aac3de2";
/// How long one story may take: each of its checks has a limit of its own.
const STORY: Duration = Duration::from_mins(8);
/// How often a waiting test looks.
const LOOK: Duration = Duration::from_millis(50);

/// What a check claims, and what came of it: one line that a story tells.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Who asks, such as `openai Python`.
    pub client: String,
    /// What is asked, such as `POST /v1/embeddings`.
    pub endpoint: String,
    /// What is claimed.
    pub check: String,
    /// What is to happen.
    pub outcome: Outcome,
    /// Whether it holds; untold in a list.
    #[serde(default)]
    pub ok: bool,
    /// Why not.
    #[serde(default)]
    pub detail: String,
}

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The claim.
    Works,
    /// A 400 that names the parameter.
    Refused,
    /// A 404.
    Absent,
}

/// Which models the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Models {
    /// Real ones: every check is made.
    Real,
    /// Real ones with a recognizer that knows more languages than English, and so can translate.
    Multilingual,
    /// Fakes: the checks that need real models are left out.
    Fake,
}

/// Where the stories are.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Whether the clients are installed; says so if not.
#[expect(clippy::print_stderr, reason = "tells why a test did nothing")]
pub fn clients_are_installed() -> bool {
    let script = clients().join("../../scripts/clients.sh");
    let told = Command::new(script).arg("where").output().map(|output| output.stdout);
    let told = String::from_utf8(told.unwrap_or_default()).unwrap_or_default();
    let are =
        told.lines().count() == 2 && told.lines().all(|at| Path::new(at).join("complete").exists());
    if !are {
        eprintln!("skipped: the clients are not installed; scripts/clients.sh installs them");
    }
    are
}

/// Every check of every story, in the order of the files.
pub fn list() -> io::Result<Vec<Check>> {
    parse(&finish(Command::new(clients().join("run.sh")).arg("--list"))?)
}

/// Runs a story against a server to its end.
pub fn tell(story: &str, server: SocketAddr, models: Models) -> io::Result<Vec<Check>> {
    let mut command = Command::new(clients().join("run.sh"));
    command.args([story, &format!("http://{server}/v1"), KEY]);
    if models == Models::Fake {
        command.env("TRUNKLINE_FAKES", "1");
    }
    parse(&finish(&mut command)?)
}

/// What a program says; an error with its complaints where it says nothing or does not end.
fn finish(command: &mut Command) -> io::Result<String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let said = child.stdout.take().map(|pipe| thread::spawn(move || read(pipe)));
    let complained = child.stderr.take().map(|pipe| thread::spawn(move || read(pipe)));
    let deadline = Instant::now() + STORY;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
        }
        thread::sleep(LOOK);
    }
    let text = |thread: Option<thread::JoinHandle<String>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let (said, complained) = (text(said), text(complained));
    if said.is_empty() {
        return Err(io::Error::other(format!("it said nothing but: {complained}")));
    }
    Ok(said)
}

fn read(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before the pipe broke is still worth reading.
    drop(pipe.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse(lines: &str) -> io::Result<Vec<Check>> {
    let parse = |line| {
        serde_json::from_str(line)
            .map_err(|error| io::Error::other(format!("{error} in a story's line: {line}")))
    };
    lines.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_check() {
        let line = r#"{"client":"a","endpoint":"GET /b","check":"c","outcome":"refused",
                       "needs_models":true,"ok":false,"detail":"d","seconds":0.1}"#;
        let checks = parse(&line.replace('\n', "")).unwrap();
        assert_eq!(
            (checks[0].outcome, checks[0].ok, checks[0].detail.as_str()),
            (Outcome::Refused, false, "d")
        );
        assert!(parse("Traceback").unwrap_err().to_string().contains("Traceback"));
        assert_eq!(parse("\n").unwrap(), []);
    }

    #[test]
    fn a_program_that_says_nothing_is_an_error_with_its_complaint() {
        let error = finish(Command::new("sh").args(["-c", "echo broken >&2"])).unwrap_err();
        assert!(error.to_string().contains("broken"));
        assert_eq!(finish(Command::new("sh").args(["-c", "echo fine"])).unwrap(), "fine\n");
    }
}
