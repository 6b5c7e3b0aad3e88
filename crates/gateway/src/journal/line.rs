//! One line of a journal file: checksum, length, entry.
//!
//! `CRC LENGTH JSON\n`: the CRC-32 (ISO-HDLC, as in gzip) of the JSON as eight hexadecimal digits
//! and its length in bytes. A line that was torn by a crash or changed on disk does not decode.

use super::Entry;

/// Appends the entry's line.
pub(super) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let json = serde_json::to_vec(entry).expect("an entry has string keys and finite numbers only");
    out.extend_from_slice(format!("{:08x} {} ", crc32fast::hash(&json), json.len()).as_bytes());
    out.extend_from_slice(&json);
    out.push(b'\n');
}

/// The entry of a line, its newline included; `None` when it is not whole.
pub(super) fn decode(line: &[u8]) -> Option<Entry> {
    let line = line.strip_suffix(b"\n")?;
    let mut fields = line.splitn(3, |&byte| byte == b' ');
    let (crc, length, json) = (fields.next()?, fields.next()?, fields.next()?);
    let crc = u32::from_str_radix(str::from_utf8(crc).ok().filter(|c| c.len() == 8)?, 16).ok()?;
    let length: usize = str::from_utf8(length).ok()?.parse().ok()?;
    if json.len() != length || crc32fast::hash(json) != crc {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::{super::Happening, *};

    fn line() -> (Entry, Vec<u8>) {
        let what = Happening::Decided {
            decision: "floor_recovered".into(),
            detail: "two lines\nand \"quotes\", naïve 🎧".into(),
        };
        let entry = Entry { position: 7, call: "a-call".into(), at_us: -1, what };
        let mut line = Vec::new();
        encode(&entry, &mut line);
        (entry, line)
    }

    #[test]
    fn an_entry_survives_being_written_and_read() {
        let (entry, line) = line();
        assert_eq!(decode(&line), Some(entry));
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
    }

    #[test]
    fn a_line_cut_anywhere_does_not_decode() {
        let (_, line) = line();
        for length in 0..line.len() {
            assert_eq!(decode(&line[..length]), None, "cut to {length} bytes");
        }
    }

    #[test]
    fn a_line_with_any_bit_flipped_does_not_decode_to_another_entry() {
        let (entry, line) = line();
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut damaged = line.clone();
                damaged[at] ^= 1 << bit;
                // Hexadecimal digits may change case without changing the checksum.
                assert!(decode(&damaged).is_none_or(|read| read == entry), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_left_out() {
        use trunkline_session::event::Evidence;
        let evidence = Evidence { level_dbfs: f32::NEG_INFINITY, ..Evidence::default() };
        let what = Happening::SpeechIgnored {
            reason: "too_quiet".into(),
            text: String::new(),
            evidence: evidence.into(),
        };
        let entry = Entry { position: 1, call: String::new(), at_us: 0, what };
        let mut line = Vec::new();
        encode(&entry, &mut line);
        assert_eq!(decode(&line), Some(entry));
    }
}
