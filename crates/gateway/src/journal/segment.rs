//! The journal's files: each named by its first position, written once, removed when recorded.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::data_dir::open_private;

const EXTENSION: &str = "jsonl";

/// The file being written.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    length: u64,
}

impl Segment {
    /// Begins a file whose first entry has this position. An unfinished file of that name holds
    /// nothing that was acknowledged, and is overwritten.
    pub(super) fn create(dir: &Path, first_position: u64) -> io::Result<Self> {
        let path = dir.join(format!("{first_position:020}.{EXTENSION}"));
        let file = open_private(&path, OpenOptions::new().create(true).truncate(true))?;
        sync_dir(dir)?;
        Ok(Self { file, length: 0 })
    }

    /// Adds lines and makes them durable. After a failure nothing is known about the end of the
    /// file: it is cut back where that can be done, and no longer to be written.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Readers cut what is torn, so a file that cannot be cut here does no harm.
            drop(self.file.set_len(self.length));
        }
        self.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        written
    }

    /// Bytes written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// The journal's files, the oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Removes a file whose entries are all recorded.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Makes a new name in the folder durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn lines_are_in_the_file_which_only_its_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(dir.path(), 3).unwrap();
        segment.append(b"one\n").unwrap();
        segment.append(b"two\n").unwrap();
        let path = dir.path().join("00000000000000000003.jsonl");
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(segment.length(), 8);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_are_listed_in_the_order_of_their_positions() {
        let dir = tempfile::tempdir().unwrap();
        for position in [100, 9, 20] {
            Segment::create(dir.path(), position).unwrap();
        }
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        let names: Vec<_> = list(dir.path())
            .unwrap()
            .iter()
            .map(|path| {
                path.file_stem().unwrap().to_string_lossy().trim_start_matches('0').to_owned()
            })
            .collect();
        assert_eq!(names, ["9", "20", "100"]);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/dev/full", dir.path().join("00000000000000000001.jsonl")).unwrap();
        let mut segment = Segment::create(dir.path(), 1).unwrap();
        let error = segment.append(b"one\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
