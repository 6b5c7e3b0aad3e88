//! espeak-ng as a separate process: a line of text goes in, its sounds come out in IPA.
//!
//! espeak-ng is GPLv3 and therefore never linked. One process lives as long as its owner; a clause
//! takes about 2 ms, where starting a process for each would take 15 to 20.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use trunkline_inference::ModelError;

/// The engine's name in errors and thread lists.
const ENGINE: &str = "espeak-ng";
/// Said after each line to see where its sounds end; no text contains it.
const SENTINEL: &str = "qzxwvqj";
/// How long a line may take before the process counts as hung.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for the very first line: the program and its dictionaries may come from a cold, busy disk.
const PATIENCE_AT_LOAD: Duration = Duration::from_secs(30);
/// Lines of sounds not yet read. When full, the process waits.
const UNREAD_LINES: usize = 64;
/// Text longer than this is cut: espeak-ng reads lines of at most 1000 bytes.
const LONGEST_LINE: usize = 900;

/// An espeak-ng process that is started again when it dies.
pub(crate) struct Espeak {
    program: PathBuf,
    voice: String,
    running: Option<Running>,
}

impl Espeak {
    /// Starts `program` for an espeak voice such as `en-us`.
    pub(crate) fn start(program: &Path, voice: &str) -> Result<Self, ModelError> {
        let running = Running::start(program, voice, PATIENCE_AT_LOAD)?;
        Ok(Self { program: program.to_owned(), voice: voice.to_owned(), running: Some(running) })
    }

    /// The sounds of `text` in IPA, words apart by spaces. A process that has died is replaced once.
    pub(crate) fn phonemes(&mut self, text: &str) -> Result<String, ModelError> {
        let line = one_line(text);
        if let Some(running) = &mut self.running {
            match running.ask(&line) {
                Ok(sounds) => return Ok(sounds),
                Err(reason) => {
                    tracing::warn!(%reason, "espeak-ng failed and is started again");
                    self.running = None;
                }
            }
        }
        let running = self.running.insert(Running::start(&self.program, &self.voice, PATIENCE)?);
        running.ask(&line).map_err(|reason| ModelError::Engine { engine: ENGINE, reason })
    }
}

/// Text as one line that espeak-ng reads as text: no control characters, no phoneme brackets.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if line.len() + c.len_utf8() > LONGEST_LINE {
            break;
        }
        line.push(if c.is_control() || matches!(c, '[' | ']' | '<' | '>') { ' ' } else { c });
    }
    line
}

struct Running {
    child: Child,
    input: ChildStdin,
    sounds: Receiver<String>,
    sentinel: String,
}

impl Running {
    fn start(program: &Path, voice: &str, patience: Duration) -> Result<Self, ModelError> {
        let mut child = Command::new(program)
            .args(["-q", "--ipa", "-b", "1", "-v", voice])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| not_started(program, &error))?;
        let input = child.stdin.take().expect("stdin is piped");
        let output = child.stdout.take().expect("stdout is piped");
        let (tx, sounds) = sync_channel(UNREAD_LINES);
        thread::Builder::new()
            .name(ENGINE.to_owned())
            .spawn(move || read(output, &tx))
            .map_err(|e| ModelError::Engine { engine: ENGINE, reason: e.to_string() })?;
        let mut running = Self { child, input, sounds, sentinel: String::new() };
        running
            .learn_sentinel(patience)
            .map_err(|reason| ModelError::Engine { engine: ENGINE, reason })?;
        Ok(running)
    }

    fn learn_sentinel(&mut self, patience: Duration) -> Result<(), String> {
        writeln!(self.input, "{SENTINEL}").map_err(|e| e.to_string())?;
        while self.sentinel.is_empty() {
            self.sentinel = self.line(patience)?;
        }
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        // One write: espeak-ng must not see half a line.
        let request = format!("{line}\n{SENTINEL}\n");
        self.input.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let mut sounds = String::new();
        loop {
            let line = self.line(PATIENCE)?;
            if line == self.sentinel {
                return Ok(sounds);
            }
            if !line.is_empty() && !sounds.is_empty() {
                sounds.push(' ');
            }
            sounds.push_str(&line);
        }
    }

    fn line(&mut self, patience: Duration) -> Result<String, String> {
        self.sounds.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("no answer in {} s", patience.as_secs()),
            RecvTimeoutError::Disconnected => match self.child.wait() {
                Ok(status) => format!("it ended with {status}"),
                Err(error) => format!("it ended: {error}"),
            },
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(output: ChildStdout, sounds: &SyncSender<String>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        if sounds.send(without_language_marks(line.trim())).is_err() {
            return;
        }
    }
}

/// Takes out the marks like `(en)` that espeak-ng puts where a word is of another language.
fn without_language_marks(sounds: &str) -> String {
    let mut depth = 0_usize;
    let kept = sounds.chars().filter(|&c| {
        if c == '(' {
            depth += 1;
        }
        let keep = depth == 0;
        if c == ')' {
            depth = depth.saturating_sub(1);
        }
        keep
    });
    kept.collect()
}

fn not_started(program: &Path, error: &std::io::Error) -> ModelError {
    let reason = if error.kind() == ErrorKind::NotFound {
        format!(
            "{} is not installed, and the voice needs it to find out how words sound: \
             install the package espeak-ng, or name the program in the configuration",
            program.display()
        )
    } else {
        format!("{} cannot be started: {error}", program.display())
    };
    ModelError::Engine { engine: ENGINE, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// espeak-ng, or none with a message where it is not installed.
    fn espeak() -> Option<Espeak> {
        match Espeak::start(Path::new("espeak-ng"), "en-us") {
            Ok(espeak) => Some(espeak),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    #[test]
    fn words_become_sounds_line_by_line_from_one_process() {
        let Some(mut espeak) = espeak() else { return };
        let process = espeak.running.as_ref().unwrap().child.id();
        for _ in 0..3 {
            assert_eq!(espeak.phonemes("hello there").unwrap(), "həlˈoʊ ðˈɛɹ");
            assert_eq!(espeak.phonemes("").unwrap(), "");
        }
        assert_eq!(espeak.running.as_ref().unwrap().child.id(), process);
    }

    #[test]
    fn several_clauses_in_a_line_come_back_together() {
        let Some(mut espeak) = espeak() else { return };
        assert_eq!(espeak.phonemes("A. B. C.").unwrap(), "ˈeɪ bˈiː sˈiː");
    }

    #[test]
    fn phoneme_brackets_and_line_breaks_in_text_are_only_text() {
        let Some(mut espeak) = espeak() else { return };
        let plain = espeak.phonemes("who foo").unwrap();
        assert_eq!(espeak.phonemes("who\n[[foo]]").unwrap(), plain);
        assert_eq!(espeak.phonemes("who foo").unwrap(), plain);
    }

    #[test]
    fn a_dead_process_is_replaced() {
        let Some(mut espeak) = espeak() else { return };
        espeak.running.as_mut().unwrap().child.kill().unwrap();
        assert_eq!(espeak.phonemes("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn a_very_long_line_does_not_confuse_the_next() {
        let Some(mut espeak) = espeak() else { return };
        espeak.phonemes(&"word ".repeat(1000)).unwrap();
        assert_eq!(espeak.phonemes("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn a_program_that_is_slow_to_begin_is_waited_for() {
        use std::os::unix::fs::PermissionsExt;
        if espeak().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let slow = folder.path().join("slow-espeak");
        std::fs::write(&slow, "#!/bin/sh\nsleep 2.5\nexec espeak-ng \"$@\"\n").unwrap();
        std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Espeak::start(&slow, "en-us").unwrap().phonemes("hello").unwrap(), "həlˈoʊ");
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = Espeak::start(Path::new("/nowhere/espeak-ng"), "en-us").err().unwrap();
        assert!(error.to_string().contains("install the package espeak-ng"), "{error}");
    }

    #[test]
    fn language_marks_are_not_sounds() {
        assert_eq!(without_language_marks("(fr)bɔ̃ʒˈuʁ(en-us) hˈaɪ"), "bɔ̃ʒˈuʁ hˈaɪ");
    }
}
