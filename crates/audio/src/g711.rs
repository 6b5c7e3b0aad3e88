//! G.711: telephone sound at 8 kHz, one byte a sample, in mu-law (PCMU) and A-law (PCMA).

/// Mu-law code of digital silence.
pub const ULAW_SILENCE: u8 = 0xff;

/// A-law code of the smallest positive sample, which stands for silence.
pub const ALAW_SILENCE: u8 = 0xd5;

/// Encodes one 16-bit sample as mu-law (ITU-T G.711 table 2, on 14 bits).
pub const fn encode_ulaw(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 2;
    let biased = if magnitude > ULAW_CLIP { ULAW_CLIP } else { magnitude } + ULAW_BIAS;
    let segment = (15 - biased.leading_zeros() as u8) - 5;
    let step = (biased >> (segment + 1)) as u8 & 0x0f;
    !(sign | segment << 4 | step)
}

/// Decodes one mu-law byte.
pub const fn decode_ulaw(code: u8) -> i16 {
    ULAW[code as usize]
}

/// Encodes one 16-bit sample as A-law (ITU-T G.711 table 1, on 13 bits).
pub const fn encode_alaw(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0 } else { 0x80 };
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 4) as u16;
    let code = if magnitude < 32 {
        magnitude as u8
    } else {
        let segment = (15 - magnitude.leading_zeros() as u8) - 3;
        segment << 4 | (magnitude >> (segment - 1)) as u8 & 0x0f
    };
    (sign | code) ^ 0x55
}

/// Decodes one A-law byte.
pub const fn decode_alaw(code: u8) -> i16 {
    ALAW[code as usize]
}

/// Appends the mu-law codes of `samples`.
pub fn encode_ulaw_slice(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|&sample| encode_ulaw(sample)));
}

/// Appends the samples of mu-law `codes`.
pub fn decode_ulaw_slice(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|&code| decode_ulaw(code)));
}

/// Appends the A-law codes of `samples`.
pub fn encode_alaw_slice(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|&sample| encode_alaw(sample)));
}

/// Appends the samples of A-law `codes`.
pub fn decode_alaw_slice(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|&code| decode_alaw(code)));
}

const ULAW_BIAS: i16 = 33;
const ULAW_CLIP: i16 = 8158;

const ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let segment = (bits >> 4 & 7) as i16;
        let step = (bits & 0x0f) as i16;
        let magnitude = (((step << 1) + ULAW_BIAS) << segment) - ULAW_BIAS;
        table[code] = if bits & 0x80 == 0 { magnitude << 2 } else { -(magnitude << 2) };
        code += 1;
    }
    table
};

const ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let segment = (bits >> 4 & 7) as i16;
        let step = ((bits & 0x0f) as i16) << 1;
        let magnitude = if segment == 0 { step + 1 } else { (step + 33) << (segment - 1) };
        table[code] = if bits & 0x80 == 0 { -(magnitude << 3) } else { magnitude << 3 };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mu_law_decodes_the_decision_values_of_the_recommendation() {
        // G.711 table 2: 14-bit values, here times four.
        for (code, value) in [
            (0x80, 32_124),
            (0x8f, 16_764),
            (0x9f, 8_316),
            (0xaf, 4_092),
            (0xbf, 1_980),
            (0xcf, 924),
            (0xdf, 396),
            (0xef, 132),
            (0xfe, 8),
            (0xff, 0),
            (0x7f, 0),
            (0x7e, -8),
            (0x6f, -132),
            (0x0f, -16_764),
            (0x00, -32_124),
        ] {
            assert_eq!(decode_ulaw(code), value, "code {code:#04x}");
        }
    }

    #[test]
    fn a_law_decodes_the_decision_values_of_the_recommendation() {
        // G.711 table 1: 13-bit values, here times eight.
        for (code, value) in [
            (0xd5, 8),
            (0xd4, 24),
            (0xda, 248),
            (0xc5, 264),
            (0xca, 504),
            (0xf5, 528),
            (0xe5, 1_056),
            (0x95, 2_112),
            (0x85, 4_224),
            (0xb5, 8_448),
            (0xa5, 16_896),
            (0xaa, 32_256),
            (0x55, -8),
            (0x2a, -32_256),
        ] {
            assert_eq!(decode_alaw(code), value, "code {code:#04x}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255 {
            assert_eq!(encode_alaw(decode_alaw(code)), code, "A-law {code:#04x}");
            // Mu-law has a negative zero, which decodes to the one zero that linear sound has.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode_ulaw(decode_ulaw(code)), expected, "mu-law {code:#04x}");
        }
    }

    #[test]
    fn every_sample_becomes_a_neighbouring_level() {
        for sample in i16::MIN..=i16::MAX {
            // Half a step of the segment the sample falls in, and what lies above the last level.
            let magnitude = i32::from(sample).abs();
            let half_step = (magnitude + 132) / 32 + 8;
            let bound = half_step.max(magnitude - 32_124 + 8);
            for decoded in [decode_ulaw(encode_ulaw(sample)), decode_alaw(encode_alaw(sample))] {
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                assert!(error <= bound, "{sample} became {decoded}");
            }
        }
    }

    #[test]
    fn encoding_is_monotonic() {
        for sample in i16::MIN..i16::MAX {
            assert!(decode_ulaw(encode_ulaw(sample)) <= decode_ulaw(encode_ulaw(sample + 1)));
            assert!(decode_alaw(encode_alaw(sample)) <= decode_alaw(encode_alaw(sample + 1)));
        }
    }

    #[test]
    fn silence_has_its_code() {
        assert_eq!(encode_ulaw(0), ULAW_SILENCE);
        assert_eq!(encode_alaw(0), ALAW_SILENCE);
    }

    #[test]
    fn slices_append() {
        let samples: Vec<i16> = (-500..500).map(|n| n * 60).collect();
        let (mut ulaw, mut alaw) = (vec![1], vec![2]);
        encode_ulaw_slice(&samples, &mut ulaw);
        encode_alaw_slice(&samples, &mut alaw);
        assert_eq!((ulaw.len(), alaw.len()), (1001, 1001));
        let mut back = vec![7];
        decode_ulaw_slice(&ulaw[1..], &mut back);
        decode_alaw_slice(&alaw[1..], &mut back);
        assert_eq!(back.len(), 2001);
        assert_eq!(back[1], decode_ulaw(encode_ulaw(samples[0])));
        assert_eq!(back[2000], decode_alaw(encode_alaw(samples[999])));
    }
}
