//! The words of a Whisper model as the bytes they stand for.

use std::{fs, path::Path};

use super::{WeightsError, failed};

/// Reads `vocabulary.json` (an array) or `vocabulary.txt` (a line a word) of a CTranslate2 model:
/// the words in the order of their numbers, special ones such as `<|endoftext|>` as they are written.
pub(super) fn read(ct2_dir: &Path) -> Result<Vec<Vec<u8>>, WeightsError> {
    let json = ct2_dir.join("vocabulary.json");
    let path = if json.exists() { json } else { ct2_dir.join("vocabulary.txt") };
    let text = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
    let words: Vec<String> = if path.extension().is_some_and(|e| e == "json") {
        serde_json::from_str(&text)
            .map_err(|e| WeightsError::Malformed { path: path.clone(), reason: e.to_string() })?
    } else {
        text.lines().map(str::to_owned).collect()
    };
    words
        .iter()
        .map(|word| bytes_of(word))
        .collect::<Option<_>>()
        .ok_or(WeightsError::Malformed { path, reason: "a word has a letter out of range".into() })
}

/// Undoes GPT-2's spelling of bytes as printable letters.
fn bytes_of(word: &str) -> Option<Vec<u8>> {
    if word.starts_with("<|") && word.ends_with("|>") {
        return Some(word.as_bytes().to_vec());
    }
    word.chars().map(byte_of).collect()
}

/// Printable bytes stand for themselves; the other 68 were moved, in order, to U+0100 and after.
fn byte_of(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    if code < 0x100 {
        let byte = u8::try_from(code).ok()?;
        return is_printable(byte).then_some(byte);
    }
    let moved = usize::try_from(code - 0x100).ok()?;
    (0..=u8::MAX).filter(|&b| !is_printable(b)).nth(moved)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_a_newline_and_split_letters_come_back_as_bytes() {
        assert_eq!(bytes_of("\u{120}the").unwrap(), b" the");
        assert_eq!(bytes_of("\u{10a}").unwrap(), b"\n");
        assert_eq!(bytes_of("Ã©").unwrap(), "é".as_bytes());
        assert_eq!(bytes_of("").unwrap(), b"");
    }

    #[test]
    fn every_byte_has_exactly_one_letter() {
        let letters = (0..0x144).filter_map(char::from_u32);
        let mut bytes: Vec<u8> = letters.filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
    }

    #[test]
    fn a_special_word_is_kept_as_it_is_written() {
        assert_eq!(bytes_of("<|endoftext|>").unwrap(), b"<|endoftext|>");
    }

    #[test]
    fn a_letter_no_byte_is_spelled_with_is_refused() {
        assert_eq!(bytes_of("水"), None);
    }

    #[test]
    fn both_vocabulary_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vocabulary.txt"), "a\n\u{120}b\n\n<|endoftext|>\n").unwrap();
        let lines = read(folder.path()).unwrap();
        fs::write(
            folder.path().join("vocabulary.json"),
            r#"["a", "\u0120b", "", "<|endoftext|>"]"#,
        )
        .unwrap();
        assert_eq!(read(folder.path()).unwrap(), lines);
        assert_eq!(lines[1], b" b");
    }
}
