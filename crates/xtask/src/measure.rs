//! The shape of a crate in figures.

use std::fmt;

use crate::SourceFile;

/// Lines of files and functions, and how much of it is tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Lines of code of each production file, ascending.
    files: Vec<usize>,
    /// Lines of each production function, ascending.
    functions: Vec<usize>,
    tests: usize,
}

impl Measure {
    /// Measures these files together.
    pub fn of(files: &[SourceFile]) -> Self {
        let mut measure = Self::default();
        for file in files {
            measure.tests += file.test_lines();
            if !file.is_test() {
                measure.files.push(file.code_lines());
                measure.functions.extend(file.function_lengths());
            }
        }
        measure.files.sort_unstable();
        measure.functions.sort_unstable();
        measure
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code: usize = self.files.iter().sum();
        if code == 0 {
            return write!(f, "{:>6} lines, all of them for tests", self.tests);
        }
        let ratio = self.tests * 100 / code;
        write!(
            f,
            "{code:>6} lines in {:>3} files (p50 {:>3} p90 {:>3} max {:>3}), functions p90 {:>2} \
             max {:>3}, tests {}.{:02} a line",
            self.files.len(),
            at(&self.files, 50),
            at(&self.files, 90),
            at(&self.files, 100),
            at(&self.functions, 90),
            at(&self.functions, 100),
            ratio / 100,
            ratio % 100,
        )
    }
}

/// The value below which `percent` of the ascending `values` lie.
fn at(values: &[usize], percent: usize) -> usize {
    let index = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_reads_as_one_line() {
        let code = "//! A.\nfn a() {\n    b();\n}\n#[cfg(test)]\nmod tests {\n}\n";
        let file = SourceFile { path: "crates/x/src/a.rs".into(), text: code.into() };
        let line = Measure::of(&[file]).to_string();
        assert!(line.contains("3 lines in   1 files"), "{line}");
        assert!(line.ends_with("functions p90  3 max   3, tests 1.00 a line"), "{line}");
    }

    #[test]
    fn nothing_measures_as_nothing() {
        assert_eq!(Measure::of(&[]).to_string(), "     0 lines, all of them for tests");
    }
}
