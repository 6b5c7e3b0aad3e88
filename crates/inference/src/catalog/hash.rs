//! SHA-256 of files, computed while their bytes go by.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::Path,
    str::FromStr,
};

use sha2::Digest;

/// How much of a file is in memory at once.
const CHUNK_BYTES: usize = 1 << 18;

/// A SHA-256 hash, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The hash and the size in bytes of a file; `passed` is told of each piece's size.
    pub fn of_file(path: &Path, passed: &mut dyn FnMut(u64)) -> io::Result<(Self, u64)> {
        let mut writer = HashingWriter::new(io::sink());
        copy(&mut File::open(path)?, &mut writer, passed)?;
        Ok(writer.finish())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a SHA-256: 64 hexadecimal digits are expected");
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// Writes through, and remembers the hash and the count.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: sha2::Sha256,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), bytes: 0 }
    }

    /// The hash and the size of everything written.
    pub(crate) fn finish(self) -> (Sha256, u64) {
        (Sha256(self.hasher.finalize().into()), self.bytes)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let (kept, _) = bytes.split_at(written);
        self.hasher.update(kept);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies everything, a piece at a time; `passed` is told of each piece's size.
pub(crate) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    passed: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (read, _) = chunk.split_at(count);
        to.write_all(read)?;
        passed(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_hashes_to_the_published_vector() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "abc").unwrap();
        let mut passed = 0;
        let (hash, bytes) = Sha256::of_file(file.path(), &mut |count| passed += count).unwrap();
        // FIPS 180-4, the example of one block.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((hash.to_string().as_str(), bytes, passed), (expected, 3, 3));
        assert_eq!(hash, expected.parse().unwrap());
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32), &"a".repeat(65)] {
            let refusal = text.parse::<Sha256>().unwrap_err();
            assert!(refusal.contains("64 hexadecimal digits"), "{refusal}");
        }
    }

    #[test]
    fn a_writer_without_room_says_so() {
        let mut full = HashingWriter::new(File::options().write(true).open("/dev/full").unwrap());
        let refusal = copy(&mut &b"abc"[..], &mut full, &mut |_| ()).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::StorageFull);
        let error = super::super::CatalogError::io("write", Path::new("/full"))(refusal);
        assert!(matches!(error, super::super::CatalogError::DiskFull { .. }), "{error}");
    }
}
