//! How much of Whisper's 30 s window and of its token budget a piece of sound needs.

use crate::loudness::RATE_HZ;

/// Encoder positions of the whole 30 s window.
const ALL_POSITIONS: usize = 1500;
const POSITIONS_PER_SECOND: usize = 50;
/// Silence after the sound, and the shortest window: with less, words at the end are lost or
/// repeated (measured on read, spontaneous and telephone speech).
const MARGIN_POSITIONS: usize = 32;
const LEAST_POSITIONS: usize = 192;
/// A window for a second look: tight ones get digits wrong, ten seconds get them right.
pub(crate) const WIDE: u32 = 512;
/// Encoders work in rows of this many positions.
const ROW: usize = 32;
/// A GPU's flash attention reads whole tiles, whether they were filled or not.
const TILE: usize = 256;

/// English stays below five tokens a second; what runs on is a loop.
const TOKENS_PER_SECOND: usize = 8;
const SPARE_TOKENS: usize = 16;

/// Encoder positions for `samples` of sound.
pub(crate) fn positions(samples: usize, gpu: bool) -> u32 {
    let row = if gpu { TILE } else { ROW };
    let sound = (samples * POSITIONS_PER_SECOND).div_ceil(RATE_HZ as usize);
    let fitted = (sound + MARGIN_POSITIONS).max(LEAST_POSITIONS).next_multiple_of(row);
    u32::try_from(fitted.min(ALL_POSITIONS)).unwrap_or(0)
}

/// Tokens after which decoding of `samples` is a loop.
pub(crate) fn tokens(samples: usize) -> u32 {
    let tokens = samples * TOKENS_PER_SECOND / RATE_HZ as usize + SPARE_TOKENS;
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: usize) -> usize {
        s * RATE_HZ as usize
    }

    #[test]
    fn short_sound_gets_a_short_window() {
        assert_eq!(positions(seconds(1), false), 192);
        assert_eq!(positions(seconds(5), false), 288);
        assert_eq!(positions(seconds(5), true), 512);
    }

    #[test]
    fn the_window_never_passes_the_models_and_always_holds_the_sound() {
        for s in 0..40 {
            for gpu in [false, true] {
                let fitted = positions(seconds(s), gpu) as usize;
                assert!(fitted <= ALL_POSITIONS);
                assert!(fitted >= (s * POSITIONS_PER_SECOND).min(ALL_POSITIONS));
            }
        }
    }

    #[test]
    fn the_token_budget_grows_with_the_sound() {
        assert_eq!((tokens(0), tokens(seconds(10))), (16, 96));
    }
}
