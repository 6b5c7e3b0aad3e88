//! Reads entries back from the journal's files, in order, each once, through torn and damaged lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
};

use super::{Entry, line, segment};

/// A place in the journal.
#[derive(Debug)]
pub(super) struct Tail {
    dir: PathBuf,
    /// The last position read, or recorded before.
    last: u64,
    open: Option<OpenSegment>,
    /// The last file read to its end.
    behind: Option<PathBuf>,
    /// Files read to their end that nobody has asked for.
    passed: Vec<PathBuf>,
}

#[derive(Debug)]
struct OpenSegment {
    path: PathBuf,
    lines: BufReader<File>,
    /// Bytes of lines that did not decode, since the last that did.
    undecoded: usize,
}

impl Tail {
    /// Begins at the oldest file, after this position.
    pub(super) fn new(dir: &Path, last: u64) -> Self {
        Self { dir: dir.to_owned(), last, open: None, behind: None, passed: Vec::new() }
    }

    /// The last position read.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The files that need not be read again.
    pub(super) fn take_passed(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.passed)
    }

    /// Up to `most` further entries, none beyond position `up_to`. Fewer than `most` with `last`
    /// below `up_to` means that the journal ends there.
    pub(super) fn read(&mut self, up_to: u64, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < most && self.last < up_to {
            let Some(open) = &mut self.open else {
                if self.open_next()? {
                    continue;
                }
                break;
            };
            match open.next_entry()? {
                Some(entry) if entry.position > self.last => {
                    self.tell_of_gap(entry.position);
                    self.last = entry.position;
                    entries.push(entry);
                }
                // Written again after a failed write, or recorded before a crash.
                Some(_) => {}
                None if self.has_later()? => self.pass(),
                None => break,
            }
        }
        Ok(entries)
    }

    /// Goes past the last file; only for a journal that nobody writes.
    pub(super) fn finish(&mut self) {
        self.pass();
    }

    fn pass(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.undecoded > 0 {
            tracing::warn!(
                path = %open.path.display(), bytes = open.undecoded,
                "cut an unfinished entry off the end of a journal file"
            );
        }
        self.behind = Some(open.path.clone());
        self.passed.push(open.path);
    }

    fn tell_of_gap(&self, position: u64) {
        let missing = position - self.last - 1;
        if missing > 0 {
            tracing::error!(
                missing,
                after = self.last,
                "entries are missing from the journal: some calls are not recorded in full"
            );
        }
    }

    /// Opens the file after those that were read; false when there is none.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(path) = self.later_than(self.behind.as_deref())? else { return Ok(false) };
        let lines = BufReader::new(File::open(&path)?);
        self.open = Some(OpenSegment { path, lines, undecoded: 0 });
        Ok(true)
    }

    fn has_later(&self) -> io::Result<bool> {
        let current = self.open.as_ref().map(|open| open.path.as_path());
        Ok(self.later_than(current)?.is_some())
    }

    fn later_than(&self, path: Option<&Path>) -> io::Result<Option<PathBuf>> {
        let mut segments = segment::list(&self.dir)?.into_iter();
        Ok(segments.find(|candidate| path.is_none_or(|path| candidate.as_path() > path)))
    }
}

impl OpenSegment {
    /// The next entry that decodes; `None` at the end of the file.
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let mut bytes = Vec::new();
            let read = match self.lines.read_until(b'\n', &mut bytes) {
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if read == 0 {
                return Ok(None);
            }
            if let Some(entry) = line::decode(&bytes) {
                if self.undecoded > 0 {
                    tracing::error!(
                        path = %self.path.display(), bytes = self.undecoded,
                        "skipped damaged bytes inside a journal file; check the disk"
                    );
                }
                self.undecoded = 0;
                return Ok(Some(entry));
            }
            self.undecoded += read;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::{super::Happening, *};

    fn lines(positions: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut lines = Vec::new();
        for position in positions {
            let what = Happening::ModelFailed { reason: "no \"sound\"\n".repeat(3) };
            line::encode(&Entry { position, call: "c".into(), at_us: 0, what }, &mut lines);
        }
        lines
    }

    fn write(dir: &Path, first: u64, bytes: &[u8]) {
        fs::write(dir.join(format!("{first:020}.jsonl")), bytes).unwrap();
    }

    fn read_all(dir: &Path, last: u64) -> Vec<u64> {
        let mut tail = Tail::new(dir, last);
        let entries = tail.read(u64::MAX, 10_000).unwrap();
        tail.finish();
        assert_eq!(tail.take_passed().len(), segment::list(dir).unwrap().len());
        entries.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn a_last_line_torn_at_any_byte_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, last) = (lines(1..=3), lines([4]));
        for kept in 0..last.len() {
            write(dir.path(), 1, &[whole.as_slice(), &last[..kept]].concat());
            assert_eq!(read_all(dir.path(), 0), [1, 2, 3], "{kept} bytes kept");
        }
        write(dir.path(), 1, &[whole, last].concat());
        assert_eq!(read_all(dir.path(), 0), [1, 2, 3, 4]);
    }

    #[test]
    fn a_last_line_damaged_at_any_byte_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, last) = (lines(1..=3), lines([4]));
        for at in 0..last.len() {
            for damage in [0x01, 0x20, 0xff] {
                let mut damaged = last.clone();
                damaged[at] ^= damage;
                write(dir.path(), 1, &[whole.as_slice(), &damaged].concat());
                let read = read_all(dir.path(), 0);
                // The case of the checksum's digits does not matter.
                assert!(read == [1, 2, 3] || (damage == 0x20 && read == [1, 2, 3, 4]), "byte {at}");
            }
        }
    }

    #[test]
    fn damage_in_the_middle_costs_only_what_it_touches() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = lines(1..=5);
        let third = lines(1..=2).len() + 20;
        bytes[third] ^= 1;
        write(dir.path(), 1, &bytes);
        assert_eq!(read_all(dir.path(), 0), [1, 2, 4, 5]);
    }

    #[test]
    fn nothing_beyond_what_is_durable_is_read() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, &lines(1..=5));
        let mut tail = Tail::new(dir.path(), 0);
        assert_eq!(tail.read(2, 10).unwrap().len(), 2);
        assert_eq!(tail.last(), 2);
        // A line that is only half there yet.
        let bytes = lines(1..=6);
        write(dir.path(), 1, &bytes[..bytes.len() - 4]);
        assert_eq!(tail.read(5, 10).unwrap().len(), 3);
        write(dir.path(), 1, &bytes);
        assert_eq!(tail.read(6, 10).unwrap().len(), 1);
        assert!(tail.take_passed().is_empty());
    }

    #[test]
    fn an_empty_folder_is_an_empty_journal() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_all(dir.path(), 7).is_empty());
    }

    proptest! {
        /// However a journal was cut into files, with batches written again after failed writes and
        /// parts of them left behind, each entry is read once and in order.
        #[test]
        fn each_entry_is_read_once_in_order(
            batches in prop::collection::vec((1_u64..6, 0_usize..400, any::<bool>()), 1..12),
            recorded in 0_u64..20,
            most in 1_usize..9,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (mut file, mut first, mut next) = (Vec::new(), 1, 1);
            for (length, left_behind, fails) in batches {
                let batch = lines(next..next + length);
                if fails && !file.is_empty() {
                    file.extend_from_slice(&batch[..left_behind.min(batch.len())]);
                    write(dir.path(), first, &file);
                    (file, first) = (Vec::new(), next);
                }
                file.extend_from_slice(&batch);
                next += length;
            }
            write(dir.path(), first, &file);
            let recorded = recorded.min(next - 1);
            let mut tail = Tail::new(dir.path(), recorded);
            let mut read = Vec::new();
            loop {
                let entries = tail.read(next - 1, most).unwrap();
                if entries.is_empty() {
                    break;
                }
                read.extend(entries.iter().map(|entry| entry.position));
            }
            prop_assert_eq!(read, (recorded + 1..next).collect::<Vec<_>>());
        }
    }
}
