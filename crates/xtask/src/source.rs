//! One Rust file, and the parts of it that are counted and checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is built or fetched is not ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", "out"];

/// A file of ours.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl SourceFile {
    /// Every Rust file below `dir`, which is below `root`, in order.
    pub fn all_below(root: &Path, dir: &Path) -> io::Result<Vec<Self>> {
        let mut files = Vec::new();
        for path in files_below(dir)? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                files.push(Self { path, text });
            }
        }
        Ok(files)
    }

    /// Whether the whole file is a test, or serves tests.
    pub fn is_test(&self) -> bool {
        let folders: Vec<&str> = self.path.split('/').collect();
        let named = self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs");
        named || folders.iter().any(|folder| matches!(*folder, "tests" | "benches" | "testkit"))
    }

    /// The text above its inline tests.
    pub fn production(&self) -> &str {
        let tests = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        self.text.split_at(tests).0
    }

    /// Lines of production code: neither blank nor comment.
    pub fn code_lines(&self) -> usize {
        self.production().lines().filter(|line| is_code(line)).count()
    }

    /// Lines of tests: all of a test file, or those below the production code.
    pub fn test_lines(&self) -> usize {
        let (tests, all) = (self.text.lines().count(), self.production().lines().count());
        if self.is_test() { tests } else { tests - all }
    }

    /// The production functions' lengths in lines, by their indentation.
    pub fn function_lengths(&self) -> Vec<usize> {
        let lines: Vec<&str> = self.production().lines().collect();
        let starts = lines.iter().enumerate().filter(|(_, line)| opens_function(line));
        starts
            .filter_map(|(start, line)| {
                if line.trim_end().ends_with('}') {
                    return Some(1);
                }
                let end = format!("{}}}", " ".repeat(indentation(line)));
                let length = lines.iter().skip(start).position(|line| *line == end)?;
                Some(length + 1)
            })
            .collect()
    }
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

fn opens_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "fn").collect();
    let qualifies = |word: &&str| {
        word.starts_with("pub")
            || matches!(*word, "const" | "async" | "unsafe" | "extern" | "\"C\"")
    };
    line.contains("fn ") && words.iter().all(qualifies) && !line.trim_end().ends_with(';')
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        let ours = !path.file_name().is_some_and(|name| NOT_OURS.iter().any(|not| name == *not));
        match path.is_dir() {
            true if ours => files.extend(files_below(&path)?),
            true => {}
            false => files.push(path),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn comments_blanks_and_tests_are_no_code() {
        let text =
            "//! Doc.\n\nfn a() {\n    // why\n    b();\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        let file = file("crates/x/src/a.rs", text);
        assert_eq!((file.code_lines(), file.test_lines()), (3, 3));
        assert_eq!(file.function_lengths(), [4]);
    }

    #[test]
    fn what_serves_tests_is_known_by_its_place() {
        for path in ["crates/a/tests/b.rs", "crates/a/src/b/tests.rs", "crates/testkit/src/c.rs"] {
            assert!(file(path, "").is_test(), "{path}");
        }
        assert!(!file("crates/a/src/latest.rs", "").is_test());
    }

    #[test]
    fn functions_of_every_kind_are_found_and_calls_are_not() {
        let text = "pub(crate) async fn a(\n    x: u8,\n) {\n}\nlet f = g(fn_name);\nfn t();\n\
                    impl T {\n    unsafe fn c() {}\n    const fn d() {\n    }\n}\n";
        assert_eq!(file("a.rs", text).function_lengths(), [4, 1, 2]);
    }
}
