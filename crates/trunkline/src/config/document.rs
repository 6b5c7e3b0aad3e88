//! Reads a TOML file into a type and finds all of its mistakes, not only the first.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{PREFIX, Problems};

/// More mistakes than this are not looked for.
const MOST_MISTAKES: usize = 50;

/// The file as a `T` with the environment's overrides, and what is wrong with either.
pub(super) fn read<T: DeserializeOwned>(
    file: &str,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> (Option<T>, Problems) {
    let mut problems = Problems::new(file);
    let mut rest = text.to_owned();
    let mut typed = None;
    for _ in 0..MOST_MISTAKES {
        match toml::from_str::<T>(&rest) {
            Ok(value) => {
                typed = Some(value);
                break;
            }
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                problems.at(text, span.start, first_line(error.message()), remedy(error.message()));
                if !blank(&mut rest, span) {
                    break;
                }
            }
        }
    }
    let typed = override_with(typed, &rest, environment, &mut problems);
    (typed, problems)
}

/// Blanks what holds the mistake, keeping every other byte in its place, so that the next mistake is
/// found where it stands. False when nothing was left to blank.
fn blank(text: &mut String, span: Range<usize>) -> bool {
    let start = text.get(..span.start).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
    let line_end = |from: usize| {
        text.get(from..).and_then(|t| t.find('\n')).map_or(text.len(), |at| from + at)
    };
    let mut end = line_end(span.end.max(start));
    let is_header = text.get(start..end).is_some_and(|l| l.trim_start().starts_with('['));
    if is_header {
        end = text.get(end..).and_then(|t| t.find("\n[")).map_or(text.len(), |at| end + at);
    }
    let Some(part) = text.get(start..end) else { return false };
    let blanked: String = part.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    let changed = !part.trim().is_empty();
    text.replace_range(start..end, &blanked);
    changed
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or(message).to_owned()
}

fn remedy(message: &str) -> String {
    if message.starts_with("unknown field") {
        "correct the name or remove the line; docs/config.md lists every field".into()
    } else if message.starts_with("missing field") {
        "add the field; docs/config.md shows an example".into()
    } else {
        "write a value of the kind that docs/config.md gives for this field".into()
    }
}

fn override_with<T: DeserializeOwned>(
    typed: Option<T>,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
    problems: &mut Problems,
) -> Option<T> {
    let mut typed = typed?;
    let mut table: Table = toml::from_str(text).ok()?;
    for (name, value) in environment {
        let mut changed = table.clone();
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        set(&mut changed, &path, &value);
        match Value::Table(changed.clone()).try_into() {
            Ok(value) => (typed, table) = (value, changed),
            Err(error) => {
                problems.in_environment(&format!("{PREFIX}{name}"), first_line(error.message()));
            }
        }
    }
    Some(typed)
}

fn set(table: &mut Table, path: &[String], value: &str) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(key.clone(), scalar(value));
        return;
    }
    let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        set(inner, rest, value);
    }
}

/// A number, a boolean or a list where the text is one, else the text itself.
fn scalar(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}
