//! The project's chores: `cargo xtask measure` and `cargo xtask ci`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::{
    env, io,
    process::{Command, ExitCode},
};

use xtask::{CrateManifest, Measure, SourceFile, root};

fn main() -> ExitCode {
    let chore = env::args().nth(1).unwrap_or_default();
    let result = match chore.as_str() {
        "measure" => measure(),
        "ci" => ci(),
        _ => {
            eprintln!("usage: cargo xtask measure | ci");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One line a crate: how large its files and functions are, and how much of it is tests.
fn measure() -> io::Result<()> {
    let manifests = CrateManifest::all(root())?;
    // Backends lie inside another crate's folder: a file is its innermost crate's.
    let owner = |file: &SourceFile| {
        let holds = |m: &&CrateManifest| file.path.starts_with(&format!("{}/", m.folder));
        manifests.iter().filter(holds).max_by_key(|m| m.folder.len()).map(|m| m.name.clone())
    };
    let mut all = Vec::new();
    for manifest in &manifests {
        let mut files = SourceFile::all_below(root(), &root().join(&manifest.folder))?;
        files.retain(|file| owner(file).as_ref() == Some(&manifest.name));
        println!("{:<26}{}", manifest.name, Measure::of(&files));
        all.extend(files);
    }
    println!("{:<26}{}", "all", Measure::of(&all));
    Ok(())
}

/// What `.ci/run` does, for a shell without make.
fn ci() -> io::Result<()> {
    for script in ["scripts/test.sh", "scripts/lint.sh"] {
        let status = Command::new(root().join(script)).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{script} failed")));
        }
    }
    Ok(())
}
