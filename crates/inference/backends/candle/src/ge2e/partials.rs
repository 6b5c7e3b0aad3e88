//! Which parts of some speech the encoder looks at, and how loud (Resemblyzer's `audio.py` and
//! `voice_encoder.py`).

use crate::{mel::HOP, network::FRAMES};

/// Frames from part to part: 1.3 parts a second.
const STEP: usize = 77;
/// Softer speech is made as loud as this, dBFS.
const LOUDNESS_DBFS: f32 = -30.0;

/// The first frames of the parts of `samples` samples. A last part of which more than a quarter would be
/// silence is left out, unless it is the only one.
pub(super) fn starts(samples: usize) -> impl Iterator<Item = usize> {
    let frames = (samples + 1).div_ceil(HOP);
    let parts = (frames + STEP + 1).saturating_sub(FRAMES).max(1).div_ceil(STEP);
    let last = (parts - 1) * STEP;
    let covered = samples.saturating_sub(last * HOP);
    let is_thin = parts > 1 && covered * 4 < FRAMES * HOP * 3;
    (0..if is_thin { parts - 1 } else { parts }).map(|part| part * STEP)
}

/// How many times louder `samples` should be: never below 1.
pub(super) fn gain(samples: &[i16]) -> f32 {
    let power: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let level = (power / samples.len().max(1) as f64).sqrt() as f32 / 32767.0;
    if level == 0.0 {
        return 1.0;
    }
    (10.0_f32.powf(LOUDNESS_DBFS / 20.0) / level).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::noise;

    fn parts(milliseconds: usize) -> Vec<usize> {
        starts(milliseconds * 16).collect()
    }

    #[test]
    fn speech_is_cut_as_the_reference_cuts_it() {
        assert_eq!(parts(100), [0]);
        assert_eq!(parts(1600), [0]);
        assert_eq!(parts(1900), [0]);
        assert_eq!(parts(2000), [0, 77]);
        assert_eq!(parts(3200), [0, 77, 154]);
        assert_eq!(parts(8380).len(), 10);
    }

    #[test]
    fn no_speech_has_one_part_too() {
        assert_eq!(parts(0), [0]);
    }

    #[test]
    fn only_what_is_soft_is_made_louder() {
        assert!((gain(&noise(16_000, 30_000)) - 1.0).abs() < 1e-6);
        let soft = noise(16_000, 300);
        let power = soft.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / soft.len() as f64;
        let dbfs = 20.0 * (power.sqrt() * f64::from(gain(&soft)) / 32767.0).log10();
        assert!((dbfs + 30.0).abs() < 0.01, "{dbfs}");
    }

    #[test]
    fn silence_is_left_alone() {
        assert!((gain(&[0; 100]) - 1.0).abs() < 1e-6);
        assert!((gain(&[]) - 1.0).abs() < 1e-6);
    }
}
