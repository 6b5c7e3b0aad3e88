//! Resampling of a whole clip at any rate, with the filter's delay taken out.

use rubato::{
    Fft, FixedSync, Resampler as _, audioadapter::Adapter,
    audioadapter_buffers::direct::InterleavedSlice,
};

use super::RATES_HZ;

/// A rate outside what sound has: 1 kHz to 384 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate of {0} Hz is outside 1000 to 384000 Hz: resample the recording first")]
pub struct RateOutOfRange(pub u32);

/// Converts a whole clip; the result is as long in time, and shifted by less than a sample.
///
/// Samples may be `i16` or `f32` in -1..=1; the result has the same type.
pub fn resample_all<S: ClipSample>(
    samples: &[S],
    from_hz: u32,
    to_hz: u32,
) -> Result<Vec<S>, RateOutOfRange> {
    for rate in [from_hz, to_hz] {
        if !RATES_HZ.contains(&rate) {
            return Err(RateOutOfRange(rate));
        }
    }
    if from_hz == to_hz || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let input: Vec<f32> = samples.iter().map(|&sample| sample.to_f32()).collect();
    Ok(convert(&input, from_hz, to_hz).into_iter().map(S::from_f32).collect())
}

/// A sample of a clip: `i16` or `f32`.
pub trait ClipSample: Copy {
    /// The sample on a scale of -1 to 1.
    fn to_f32(self) -> f32;
    /// The sample from a scale of -1 to 1; what lies outside is clipped where the type has an end.
    fn from_f32(value: f32) -> Self;
}

impl ClipSample for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl ClipSample for i16 {
    fn to_f32(self) -> f32 {
        f32::from(self) / 32_768.0
    }
    fn from_f32(value: f32) -> Self {
        super::to_sample(value * 32_768.0)
    }
}

/// Samples a step of the transform; a trade of speed against memory only.
const CHUNK: usize = 1_024;

fn convert(input: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    let mut resampler =
        Fft::<f32>::new(from_hz as usize, to_hz as usize, CHUNK, 1, FixedSync::Both)
            .expect("both rates and the chunk are above zero");
    let adapter = InterleavedSlice::new(input, 1, input.len()).expect("one channel of that length");
    let output = resampler
        .process_all(&adapter, input.len(), None)
        .expect("the output is sized by the resampler itself");
    let frames = output.frames();
    let mut samples = output.take_data();
    samples.truncate(frames);
    samples
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn sine(hz: f32, rate: u32, seconds: f32) -> Vec<f32> {
        (0..(rate as f32 * seconds) as usize)
            .map(|n| 0.5 * (TAU * hz * n as f32 / rate as f32).sin())
            .collect()
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_and_place() {
        for (from, to) in [
            (22_050, 24_000),
            (44_100, 16_000),
            (11_025, 16_000),
            (48_000, 16_000),
            (8_000, 16_000),
            (12_345, 16_000),
        ] {
            let output = resample_all(&sine(440.0, from, 1.0), from, to).unwrap();
            let expected = sine(440.0, to, 1.0);
            assert!(output.len().abs_diff(expected.len()) <= 1, "{from} -> {to}");
            let middle = to as usize / 10..to as usize * 9 / 10;
            for n in middle {
                assert!((output[n] - expected[n]).abs() < 0.09, "{from} -> {to} at {n}");
            }
        }
    }

    #[test]
    fn integers_are_converted_as_floats_are() {
        let float = sine(300.0, 22_050, 0.5);
        let whole: Vec<i16> = float.iter().map(|&s| i16::from_f32(s)).collect();
        let a = resample_all(&float, 22_050, 24_000).unwrap();
        let b = resample_all(&whole, 22_050, 24_000).unwrap();
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y.to_f32()).abs() < 1e-4));
    }

    #[test]
    fn short_clips_and_no_clip_work() {
        assert_eq!(resample_all::<i16>(&[], 8_000, 16_000).unwrap(), Vec::<i16>::new());
        for length in [1, 2, 7, 100] {
            let output = resample_all(&vec![100_i16; length], 8_000, 16_000).unwrap();
            assert_eq!(output.len(), 2 * length);
        }
        assert_eq!(resample_all(&[1_i16, 2, 3], 16_000, 16_000).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn nonsense_rates_are_refused() {
        assert_eq!(resample_all(&[0_i16], 0, 16_000), Err(RateOutOfRange(0)));
        assert_eq!(resample_all(&[0_i16], 16_000, u32::MAX), Err(RateOutOfRange(u32::MAX)));
    }
}
