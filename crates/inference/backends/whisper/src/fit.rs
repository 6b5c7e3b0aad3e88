//! How much of Whisper's 30 s window and of its token budget a piece of sound needs.

use trunkline_inference::SttDetail;

use crate::{loudness::RATE_HZ, module::Tokens};

/// Encoder positions of the whole 30 s window.
const ALL_POSITIONS: usize = 1500;
const POSITIONS_PER_SECOND: usize = 50;
/// Silence after the sound, and the shortest window: with less, words at the end are lost or
/// repeated (measured on read, spontaneous and telephone speech).
const MARGIN_POSITIONS: usize = 32;
const LEAST_POSITIONS: usize = 192;
/// A window for a second look: tight ones get digits and languages wrong, ten seconds get them right.
pub(crate) const WIDE: u32 = 512;
/// Encoders work in rows of this many positions.
const ROW: usize = 32;
/// A GPU's flash attention reads whole tiles, whether they were filled or not.
const TILE: usize = 256;

/// English stays below five tokens a second; what runs on is a loop.
const TOKENS_PER_SECOND: usize = 8;
const SPARE_TOKENS: usize = 16;
/// More than five a second is worth a look for repetition.
const PLAUSIBLE_PER_SECOND: usize = 5;
const SPARE_PLAUSIBLE: usize = 3;
/// Scripts that Whisper's vocabulary spells byte by byte, such as Hindi and Thai, take up to twenty.
const DENSE: usize = 4;
/// Of a call's prompt: enough to carry names and style over, cheap to read.
const PROMPT_TOKENS: u32 = 96;
/// Of a file's prompt: all that Whisper reads.
const WHOLE_PROMPT_TOKENS: u32 = 223;

/// Encoder positions for `samples` of sound.
pub(crate) fn positions(samples: usize, gpu: bool) -> u32 {
    let row = if gpu { TILE } else { ROW };
    let sound = (samples * POSITIONS_PER_SECOND).div_ceil(RATE_HZ as usize);
    let fitted = (sound + MARGIN_POSITIONS).max(LEAST_POSITIONS).next_multiple_of(row);
    u32::try_from(fitted.min(ALL_POSITIONS)).unwrap_or(0)
}

/// Encoder positions to find out the language with, where the text takes `positions`.
pub(crate) fn language_positions(positions: u32) -> u32 {
    positions.max(WIDE)
}

/// Bounds on the tokens for `samples` of sound: a call's text comes soon, a file's comes whole.
pub(crate) fn tokens(samples: usize, detail: SttDetail, language: Option<&str>) -> Tokens {
    let is_file = detail > SttDetail::Text;
    let density = if is_file && language != Some("en") { DENSE } else { 1 };
    let bound = |per_second: usize, spare| {
        let tokens = samples * per_second * density / RATE_HZ as usize + spare;
        u32::try_from(tokens).unwrap_or(u32::MAX)
    };
    Tokens {
        most: bound(TOKENS_PER_SECOND, SPARE_TOKENS),
        plausible: bound(PLAUSIBLE_PER_SECOND, SPARE_PLAUSIBLE),
        prompt: if is_file { WHOLE_PROMPT_TOKENS } else { PROMPT_TOKENS },
    }
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
    fn the_language_of_short_sound_is_found_in_a_wider_window_than_its_text() {
        assert_eq!((language_positions(192), language_positions(1_500)), (WIDE, 1_500));
    }

    #[test]
    fn the_token_budget_grows_with_the_sound() {
        let call = |samples| tokens(samples, SttDetail::Text, None);
        assert_eq!((call(0).most, call(seconds(10)).most), (16, 96));
        assert_eq!((call(0).plausible, call(seconds(10)).plausible), (3, 53));
    }

    #[test]
    fn a_file_in_another_script_has_room_for_its_bytes_and_a_long_prompt() {
        let file = |language| tokens(seconds(10), SttDetail::Segments, language);
        assert_eq!(file(Some("hi")).most, 336);
        assert_eq!(file(None).plausible, 203);
        let english = file(Some("en"));
        assert_eq!((english.most, english.plausible, english.prompt), (96, 53, 223));
    }
}
