//! Whether a disk has room for what a pull will write.

use std::{io, path::Path};

use super::{CatalogError, Item, ModelFile, Source};

/// Left free on top of what is needed: a full disk stops more than a pull.
const RESERVE_BYTES: u64 = 64 << 20;

/// What some files of one model take on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// What stays, in bytes.
    pub(crate) kept: u64,
    /// What is there besides while the model is pulled: packages and a conversion's inputs.
    pub(crate) passing: u64,
}

impl Need {
    /// What these files need when they come over the network.
    pub(crate) fn of(files: &[&ModelFile]) -> Self {
        files.iter().fold(Self::default(), |sum, file| {
            let passing = match file {
                ModelFile::Fetched(item) => packaged(item),
                ModelFile::Converted(recipe) => recipe
                    .inputs
                    .iter()
                    .map(|input| input.bytes.unwrap_or(0).saturating_add(packaged(input)))
                    .fold(0, u64::saturating_add),
            };
            Self {
                kept: sum.kept.saturating_add(file.bytes().unwrap_or(0)),
                passing: sum.passing.saturating_add(passing),
            }
        })
    }
}

/// Fails unless the disk of `dir` has room for all of `needs`, one model after another.
pub(crate) fn check(dir: &Path, needs: &[Need]) -> Result<(), CatalogError> {
    let kept = needs.iter().map(|need| need.kept).fold(0, u64::saturating_add);
    let passing = needs.iter().map(|need| need.passing).max().unwrap_or(0);
    let needed = kept.saturating_add(passing);
    let free = free_bytes(dir).map_err(CatalogError::io("ask the free space of", dir))?;
    if needed > 0 && needed.saturating_add(RESERVE_BYTES) > free {
        return Err(CatalogError::DiskFull { dir: dir.to_owned(), needed, free });
    }
    Ok(())
}

/// The bytes that an ordinary user may still write there.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The size of the packages an item comes in: weights hardly compress.
fn packaged(item: &Item) -> u64 {
    match item.sources.first() {
        Some(Source::Parts(_)) => item.bytes.unwrap_or(0),
        Some(Source::Hub { .. } | Source::Url(_) | Source::Folder(_)) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_passes_and_what_does_not_is_named_in_bytes() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), &[Need { kept: 1, passing: 1 }]).unwrap();
        let large = Need { kept: 1 << 60, passing: 7 };
        let error = check(dir.path(), &[large, Need { kept: 1, passing: 9 }]).unwrap_err();
        let CatalogError::DiskFull { needed, free, .. } = error else { panic!("{error}") };
        assert_eq!(needed, (1 << 60) + 1 + 9);
        assert!(free > 0 && free < needed);
    }

    #[test]
    fn nothing_to_write_fits_any_disk() {
        check(Path::new("/proc"), &[]).unwrap();
    }
}
