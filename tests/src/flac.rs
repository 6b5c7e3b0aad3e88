//! FLAC files (RFC 9639) whose every frame is one value: much sound in few bytes.

const HZ: u32 = 16_000;
const CONSTANT: u8 = 0;

/// So many minutes of a 16 kHz mono sound that never moves, 14 bytes for each 2 to the power of
/// `block` samples, 8 to 15.
///
/// # Panics
/// If no FLAC frame has such a block.
pub fn flat_flac(minutes: u32, block: u8) -> Vec<u8> {
    assert!((8..=15).contains(&block), "blocks have 256 to 32768 samples");
    let length = 1_u32 << block;
    let frames = (u64::from(minutes) * 60 * u64::from(HZ)).div_ceil(length.into());
    let mut file = b"fLaC".to_vec();
    file.extend(stream_info(length, frames * u64::from(length)));
    for number in 0..frames {
        file.extend(frame(u32::try_from(number).unwrap_or(u32::MAX), block));
    }
    file
}

/// The one metadata block (section 8.2), the last.
fn stream_info(length: u32, samples: u64) -> Vec<u8> {
    let [_, _, high, low] = length.to_be_bytes();
    let mut info = vec![0x80, 0, 0, 34, high, low, high, low, 0, 0, 0, 0, 0, 0];
    // Rate in 20 bits, one channel in 3, 16 bits a sample in 5, samples in 36.
    let rest = u64::from(HZ) << 44 | 15 << 36 | samples;
    info.extend(rest.to_be_bytes());
    info.extend([0; 16]);
    info
}

/// Section 9.
fn frame(number: u32, block: u8) -> Vec<u8> {
    const RATE_CODE: u8 = 0b0101;
    const MONO_16_BITS: u8 = 0b0000_1000;
    let mut frame = vec![0xff, 0xf8, block << 4 | RATE_CODE, MONO_16_BITS];
    // The code is that of UTF-8, which Rust writes for characters only; decoders do not mind the wrap.
    let coded = char::from_u32(number % 0xd000).unwrap_or_default();
    frame.extend(coded.encode_utf8(&mut [0; 4]).as_bytes());
    frame.push(crc(&frame, 0x07, 8).to_be_bytes()[1]);
    frame.extend([CONSTANT, 0, 100]);
    let check = crc(&frame, 0x8005, 16);
    frame.extend(check.to_be_bytes());
    frame
}

/// A cyclic redundancy check of 8 or 16 bits.
fn crc(bytes: &[u8], polynomial: u16, width: u32) -> u16 {
    let top = 1_u16 << (width - 1);
    let mask = u16::MAX >> (16 - width);
    bytes.iter().fold(0, |sum, byte| {
        let mixed = sum ^ u16::from(*byte) << (width - 8);
        let step = |sum: u16, _| if sum & top == 0 { sum << 1 } else { sum << 1 ^ polynomial };
        (0..8).fold(mixed, step) & mask
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_those_of_the_catalogue() {
        // CRC-8/SMBUS and CRC-16/UMTS of the digits 1 to 9.
        assert_eq!(crc(b"123456789", 0x07, 8), 0xf4);
        assert_eq!(crc(b"123456789", 0x8005, 16), 0xfee8);
    }

    #[test]
    fn an_hour_fits_into_some_kilobytes() {
        assert!((20_000..30_000).contains(&flat_flac(60, 15).len()));
        assert!((150_000..220_000).contains(&flat_flac(60, 12).len()));
    }
}
