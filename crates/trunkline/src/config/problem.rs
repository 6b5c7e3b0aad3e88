//! Problems of a configuration, each with its place and what to do about it.

use std::{fmt, io, path::Path};

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `file:line:column`, or the environment variable.
    pub(crate) place: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: String,
    line: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// All problems of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let file = path.display().to_string();
        let problem = Problem {
            place: file.clone(),
            what: format!("cannot be read: {error}"),
            remedy: "name an existing file with --config, or leave it out for the defaults".into(),
            line: 0,
        };
        Self { file, found: vec![problem] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }

    /// Adds a problem at a byte offset of `text`.
    pub(crate) fn at(&mut self, text: &str, offset: usize, what: String, remedy: String) {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        let place = format!("{}:{line}:{column}", self.file);
        self.found.push(Problem { place, what, remedy, line });
        self.found.sort_by_key(|p| p.line);
    }

    pub(crate) fn in_environment(&mut self, variable: &str, what: String) {
        let remedy = "correct or unset the variable".to_owned();
        let place = format!("environment variable {variable}");
        self.found.push(Problem { place, what, remedy, line: usize::MAX });
    }

    /// For checks that know fields by path, not by place.
    pub(crate) fn within<'a>(&'a mut self, text: &'a str) -> Within<'a> {
        let document = toml_edit::Document::parse(text).ok();
        Within { problems: self, text, document }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.found {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Finds the place of a field by its path.
pub(crate) struct Within<'a> {
    problems: &'a mut Problems,
    text: &'a str,
    document: Option<toml_edit::Document<&'a str>>,
}

impl Within<'_> {
    /// Adds a problem of the field at `path` (`agents.sales.numbers`), or of the nearest table that
    /// the file has.
    pub(crate) fn add(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let offset = self.offset(path).unwrap_or(0);
        self.problems.at(self.text, offset, what.into(), remedy.into());
    }

    fn offset(&self, path: &str) -> Option<usize> {
        let mut item = self.document.as_ref()?.as_item();
        let mut found = None;
        for key in path.split('.') {
            let Some((name, next)) = item.as_table_like().and_then(|t| t.get_key_value(key)) else {
                break;
            };
            found = name.span().or_else(|| next.span()).or(found);
            item = next;
        }
        found.map(|span| span.start)
    }
}
