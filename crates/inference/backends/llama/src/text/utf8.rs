//! Characters whose bytes come in several tokens.

/// Puts characters together from bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Utf8Assembler {
    /// The beginning of a character, at most 3 bytes.
    held: Vec<u8>,
}

impl Utf8Assembler {
    /// The whole characters so far; bytes that cannot become one are replaced by U+FFFD.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(wrong) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[wrong..];
                }
            }
        }
        self.held = rest.to_vec();
        text
    }

    /// What is left: a replacement character for a character that never became whole.
    pub(super) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut utf8 = Utf8Assembler::default();
        assert_eq!(utf8.push(&[b'a', 0xE2, 0x82]), "a");
        assert_eq!(utf8.push(&[0xAC, b'b']), "\u{20ac}b");
        assert_eq!(utf8.finish(), "");
    }

    #[test]
    fn a_broken_character_does_not_hold_up_the_rest() {
        let mut utf8 = Utf8Assembler::default();
        assert_eq!(utf8.push(&[0xFF, b'a', 0xC3]), "\u{fffd}a");
        assert_eq!(utf8.push(b"b"), "\u{fffd}b");
        utf8.push(&[0xE2]);
        assert_eq!(utf8.finish(), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(text in "\\PC{0,40}", cut in 1_usize..5) {
            let mut utf8 = Utf8Assembler::default();
            let mut out: String = text.as_bytes().chunks(cut).map(|c| utf8.push(c)).collect();
            out.push_str(&utf8.finish());
            prop_assert_eq!(out, text);
        }

        #[test]
        fn any_bytes_are_read_as_the_standard_library_reads_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            cut in 1_usize..5,
        ) {
            let mut utf8 = Utf8Assembler::default();
            let mut out: String = bytes.chunks(cut).map(|c| utf8.push(c)).collect();
            out.push_str(&utf8.finish());
            prop_assert_eq!(out, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
