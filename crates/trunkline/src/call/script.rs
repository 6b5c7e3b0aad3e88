//! What the caller says and when.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::Failure;

/// A call's script: its steps, in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// The steps.
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// One step. What it says is one of `wav`, `text` or `press`; a step with none only waits.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// A sound file to speak, relative to the script.
    pub(crate) wav: Option<PathBuf>,
    /// Text to speak with the configured voice.
    pub(crate) text: Option<String>,
    /// A key to press.
    pub(crate) press: Option<char>,
    /// When to begin.
    pub(crate) when: When,
    /// Seconds to wait after that, 0.0 by default.
    pub(crate) pause_seconds: f64,
    /// Whether an answer is expected before the next step that waits for quiet: true by default for
    /// steps that speak.
    pub(crate) expects_reply: Option<bool>,
}

/// When a step begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// When the other side has answered and been quiet for a while.
    #[default]
    Quiet,
    /// As soon as the other side is heard: a barge-in.
    Sounding,
    /// At once after the step before.
    Now,
}

impl Script {
    /// Reads a script; relative sound files are found beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::no_input(format!("{}: {e}", path.display())))?;
        let mut script: Self = toml::from_str(&text)
            .map_err(|e| Failure::bad_input(format!("{}: {e}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for step in &mut script.steps {
            step.check().map_err(|why| Failure::bad_input(format!("{}: {why}", path.display())))?;
            step.wav = step.wav.take().map(|wav| folder.join(wav));
        }
        if script.steps.is_empty() {
            return Err(Failure::bad_input(format!("{}: the script has no step", path.display())));
        }
        Ok(script)
    }

    /// Sound files spoken one after the other, each when the other side is quiet.
    pub(crate) fn of_wavs(files: &[PathBuf]) -> Self {
        let step = |wav: &PathBuf| Step { wav: Some(wav.clone()), ..Step::default() };
        Self { steps: files.iter().map(step).collect() }
    }

    /// Texts likewise.
    pub(crate) fn of_texts(texts: &[String]) -> Self {
        let step = |text: &String| Step { text: Some(text.clone()), ..Step::default() };
        Self { steps: texts.iter().map(step).collect() }
    }

    /// Whether a voice is needed to speak it.
    pub(crate) fn has_text(&self) -> bool {
        self.steps.iter().any(|s| s.text.is_some())
    }
}

impl Step {
    /// Whether the step speaks.
    pub(crate) fn speaks(&self) -> bool {
        self.wav.is_some() || self.text.is_some()
    }

    /// Whether the next step that waits for quiet first waits for an answer to this one.
    pub(crate) fn expects_reply(&self) -> bool {
        self.expects_reply.unwrap_or(self.speaks())
    }

    fn check(&self) -> Result<(), String> {
        let ways = [self.wav.is_some(), self.text.is_some(), self.press.is_some()];
        if ways.iter().filter(|is| **is).count() > 1 {
            return Err("a step has more than one of wav, text and press: split it".into());
        }
        if !(0.0..=600.0).contains(&self.pause_seconds) {
            return Err(format!("pause_seconds = {} is not 0 to 600", self.pause_seconds));
        }
        match self.press {
            Some(key) if !"0123456789*#ABCD".contains(key) => Err(format!("`{key}` is no key")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_steps_and_finds_files_beside_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        let text = "[[step]]\nwav = \"a.wav\"\n[[step]]\ntext = \"hello\"\nwhen = \"sounding\"\npause_seconds = 1.5\n[[step]]\npress = \"5\"\n";
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path).unwrap();
        assert_eq!(script.steps[0].wav.as_deref(), Some(folder.path().join("a.wav").as_path()));
        assert_eq!(script.steps[1].when, When::Sounding);
        assert!(
            script.has_text()
                && script.steps[1].expects_reply()
                && !script.steps[2].expects_reply()
        );
    }

    #[test]
    fn mistakes_in_a_script_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        for text in [
            "",
            "step = []",
            "[[step]]\nwav = \"a\"\ntext = \"b\"",
            "[[step]]\npress = \"x\"",
            "[[step]]\npause_seconds = -1.0",
            "[[step]]\nsay = \"a\"",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(Script::read(&path).is_err(), "{text}");
        }
    }
}
