//! How loud sound is, and how to bring a voice to a wanted loudness.

/// The level of digital silence: below everything 16 bits can hold.
pub const SILENCE_DBFS: f32 = -100.0;

/// Root mean square in dB below full scale: -3 for a full sine, [`SILENCE_DBFS`] for nothing.
pub fn rms_dbfs(samples: &[i16]) -> f32 {
    decibels(mean_square(samples))
}

/// The largest magnitude, 0 to 32,768.
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

/// Brings `samples` to `target_dbfs` as heard: quiet blocks do not count, and the gain stops where
/// the peak would come closer than 1 dB to full scale. Gives the gain in dB.
pub fn normalize(samples: &mut [i16], target_dbfs: f32) -> f32 {
    let (mut sum, mut blocks) = (0.0, 0.0);
    for block in samples.chunks(BLOCK) {
        let power = mean_square(block);
        if decibels(power) > GATE_DBFS {
            sum += power;
            blocks += 1.0;
        }
    }
    if blocks == 0.0 {
        return 0.0;
    }
    let headroom = 20.0 * (PEAK / f32::from(peak(samples))).log10();
    let gain_db = (target_dbfs - decibels(sum / blocks)).min(headroom);
    let gain = 10_f32.powf(gain_db / 20.0);
    for sample in samples {
        *sample = (f32::from(*sample) * gain).round() as i16;
    }
    gain_db
}

/// 20 ms at 24 kHz: what is loud or quiet as one.
const BLOCK: usize = 480;

/// Blocks below are pauses, not voice.
const GATE_DBFS: f32 = -50.0;

/// 1 dB below full scale.
const PEAK: f32 = 29_204.0;

fn mean_square(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    sum / samples.len().max(1) as f64 / (32_768.0 * 32_768.0)
}

fn decibels(power: f64) -> f32 {
    if power > 0.0 { (10.0 * power.log10()) as f32 } else { SILENCE_DBFS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32) -> Vec<i16> {
        (0..4_800).map(|n| (amplitude * (n as f32 * 0.1).sin()) as i16).collect()
    }

    #[test]
    fn levels_are_relative_to_full_scale() {
        assert!((rms_dbfs(&sine(32_767.0)) + 3.01).abs() < 0.05);
        assert!((rms_dbfs(&sine(3_276.7)) + 23.01).abs() < 0.05);
        assert!(rms_dbfs(&[i16::MIN; 10]).abs() < 0.001);
        assert!((rms_dbfs(&[0; 10]) - SILENCE_DBFS).abs() < f32::EPSILON);
        assert!((rms_dbfs(&[]) - SILENCE_DBFS).abs() < f32::EPSILON);
    }

    #[test]
    fn the_peak_of_the_most_negative_sample_does_not_overflow() {
        assert_eq!(peak(&[3, i16::MIN, 5]), 32_768);
        assert_eq!(peak(&[]), 0);
    }

    #[test]
    fn a_quiet_and_a_loud_voice_become_equal() {
        for amplitude in [500.0, 20_000.0] {
            let mut voice = sine(amplitude);
            voice.extend(vec![0; 48_000]);
            normalize(&mut voice, -20.0);
            let level = rms_dbfs(&voice[..4_800]);
            assert!((level + 20.0).abs() < 0.2, "{level} dB");
        }
    }

    #[test]
    fn the_gain_stops_before_the_peaks_clip() {
        let mut voice = sine(300.0);
        voice[100] = 20_000;
        normalize(&mut voice, -3.0);
        assert!((28_000..=29_300).contains(&peak(&voice)));
    }

    #[test]
    fn silence_stays_silence() {
        let mut silence = [3; 1_000];
        assert!(normalize(&mut silence, -20.0).abs() < f32::EPSILON);
        assert_eq!(silence, [3; 1_000]);
    }
}
