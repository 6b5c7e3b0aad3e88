//! Whisper's log-mel spectrogram of 8 s of sound (Radford et al. 2022), of normalised samples.

use std::{f64::consts::PI, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// Mel bands.
pub(super) const MELS: usize = 80;
/// Frames of 10 ms.
pub(super) const FRAMES: usize = 800;
/// Samples that are seen: 8 s at 16 kHz.
const SAMPLES: usize = FRAMES * HOP;
const RATE_HZ: f64 = 16_000.0;
const HOP: usize = 160;
/// Samples in a window.
const WINDOW: usize = 400;
const BINS: usize = WINDOW / 2 + 1;
/// Power below this counts as this.
const FLOOR: f32 = 1e-10;

/// The spectrogram's tables and working memory.
pub(super) struct LogMel {
    fft: Arc<dyn Fft<f32>>,
    hann: Vec<f32>,
    bands: Vec<Band>,
    /// The sound with half a window mirrored at either end.
    sound: Vec<f32>,
    windows: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

/// One triangular filter: its weights from the bin `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl LogMel {
    /// Computes the tables.
    pub(super) fn new() -> Self {
        let fft = FftPlanner::new().plan_fft_forward(WINDOW);
        let scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        let hann = (0..WINDOW).map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos());
        Self {
            fft,
            hann: hann.map(|w| w as f32).collect(),
            bands: bands(),
            sound: vec![0.0; SAMPLES + WINDOW],
            windows: vec![Complex::default(); WINDOW],
            scratch,
        }
    }

    /// Writes the features of the last 8 s of `tail`, silence before it where it is shorter, into
    /// `features`: `[MELS, FRAMES]`.
    pub(super) fn features(&mut self, tail: &[i16], features: &mut [f32]) {
        self.place(tail);
        let mut loudest = f32::MIN;
        // Two real windows ride in one complex transform.
        for frame in (0..FRAMES).step_by(2) {
            self.transform(frame);
            for (band, row) in self.bands.iter().zip(features.chunks_exact_mut(FRAMES)) {
                let (mut even, mut odd) = (0.0, 0.0);
                for (bin, weight) in (band.first..).zip(&band.weights) {
                    let (a, b) = powers(&self.windows, bin);
                    even += weight * a;
                    odd += weight * b;
                }
                row[frame] = even.max(FLOOR).log10();
                row[frame + 1] = odd.max(FLOOR).log10();
                loudest = loudest.max(row[frame]).max(row[frame + 1]);
            }
        }
        for feature in features {
            *feature = (feature.max(loudest - 8.0) + 4.0) / 4.0;
        }
    }

    /// Puts the tail at the end of 8 s, normalises all of it to mean 0 and variance 1, and mirrors
    /// its ends.
    fn place(&mut self, tail: &[i16]) {
        let tail = tail.get(tail.len().saturating_sub(SAMPLES)..).unwrap_or_default();
        let half = WINDOW / 2;
        let sound = &mut self.sound[half..half + SAMPLES];
        let start = SAMPLES - tail.len();
        sound[..start].fill(0.0);
        for (sample, &heard) in sound[start..].iter_mut().zip(tail) {
            *sample = f32::from(heard) / 32768.0;
        }
        let mean = sound.iter().map(|&s| f64::from(s)).sum::<f64>() / SAMPLES as f64;
        let variance =
            sound.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
        let (mean, scale) = (mean as f32, (1.0 / (variance + 1e-7).sqrt()) as f32);
        for sample in sound {
            *sample = (*sample - mean) * scale;
        }
        for n in 1..=half {
            self.sound[half - n] = self.sound[half + n];
            self.sound[half + SAMPLES - 1 + n] = self.sound[half + SAMPLES - 1 - n];
        }
    }

    /// Transforms the windows of `frame` (as real parts) and of the one after (as imaginary parts).
    fn transform(&mut self, frame: usize) {
        let even = &self.sound[frame * HOP..][..WINDOW];
        let odd = &self.sound[(frame + 1) * HOP..][..WINDOW];
        for (n, window) in self.windows.iter_mut().enumerate() {
            *window = Complex::new(even[n] * self.hann[n], odd[n] * self.hann[n]);
        }
        self.fft.process_with_scratch(&mut self.windows, &mut self.scratch);
    }
}

/// The powers of a bin in both windows, taken apart by the symmetry of real signals' spectra.
fn powers(spectrum: &[Complex<f32>], bin: usize) -> (f32, f32) {
    let here = spectrum[bin];
    let mirror = spectrum[(WINDOW - bin) % WINDOW].conj();
    ((here + mirror).norm_sqr() / 4.0, (here - mirror).norm_sqr() / 4.0)
}

/// The filters: triangles between equal steps of Slaney's mel scale, each of equal area.
fn bands() -> Vec<Band> {
    let top = mel(RATE_HZ / 2.0);
    let edges: Vec<f64> =
        (0..MELS + 2).map(|n| hertz(top * n as f64 / (MELS + 1) as f64)).collect();
    let band = |edges: &[f64]| {
        let (low, mid, high) = (edges[0], edges[1], edges[2]);
        let weight = |bin: usize| {
            let at = bin as f64 * RATE_HZ / WINDOW as f64;
            let slope = ((at - low) / (mid - low)).min((high - at) / (high - mid));
            (slope.max(0.0) * 2.0 / (high - low)) as f32
        };
        let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        let weights = (first..BINS).map(weight).take_while(|&w| w > 0.0).collect();
        Band { first, weights }
    };
    edges.windows(3).map(band).collect()
}

/// Slaney's mel scale: linear below 1 kHz, logarithmic above.
fn mel(hertz: f64) -> f64 {
    if hertz < 1000.0 {
        hertz * 3.0 / 200.0
    } else {
        15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f64.ln()
    }
}

fn hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed;

    fn features(tail: &[i16]) -> Vec<f32> {
        let mut features = vec![0.0; MELS * FRAMES];
        LogMel::new().features(tail, &mut features);
        features
    }

    fn tone(hertz: f64, len: usize) -> Vec<i16> {
        (0..len).map(|n| ((n as f64 * hertz * 2.0 * PI / RATE_HZ).sin() * 8000.0) as i16).collect()
    }

    #[test]
    fn the_mel_scale_and_its_inverse_agree() {
        for hz in [0.0, 440.0, 999.0, 1000.0, 3000.0, 8000.0] {
            assert!((hertz(mel(hz)) - hz).abs() < 1e-6);
        }
        assert!((mel(1000.0) - 15.0).abs() < 1e-9);
    }

    #[test]
    fn a_tone_lights_up_the_band_it_lies_in() {
        let features = features(&tone(1000.0, SAMPLES));
        let at = |band: usize| features[band * FRAMES + 400];
        let brightest = (0..MELS).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap();
        let center = hertz(mel(RATE_HZ / 2.0) * (brightest + 1) as f64 / (MELS + 1) as f64);
        assert!((center - 1000.0).abs() < 60.0, "{center}");
    }

    #[test]
    fn a_short_tail_stands_at_the_end_after_silence() {
        let features = features(&tone(500.0, SAMPLES / 4));
        let loudness = |frame: usize| (0..MELS).map(|b| features[b * FRAMES + frame]).sum::<f32>();
        assert!(loudness(700) > loudness(300) + 10.0);
        assert!((loudness(10) - loudness(300)).abs() < 1e-3);
    }

    #[test]
    fn only_the_last_eight_seconds_count() {
        let sound = testbed::noise(SAMPLES * 2, 5000);
        assert_eq!(features(&sound), features(&sound[SAMPLES..]));
    }

    #[test]
    fn loudness_does_not_matter() {
        let loud = testbed::noise(SAMPLES, 20_000);
        let soft: Vec<i16> = loud.iter().map(|s| s / 10).collect();
        let (loud, soft) = (features(&loud), features(&soft));
        let furthest = loud.iter().zip(&soft).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 0.05, "{furthest}");
    }

    #[test]
    fn silence_has_finite_features() {
        for silent in [vec![], vec![0; SAMPLES], vec![100; 1000]] {
            assert!(features(&silent).iter().all(|f| f.is_finite()));
        }
    }

    /// The same mathematics written out term by term, in double precision.
    fn slow_power(sound: &[f64], frame: usize, bin: usize) -> f64 {
        let at = |n: i64| {
            let last = SAMPLES as i64 - 1;
            sound[(if n < 0 {
                -n
            } else if n > last {
                2 * last - n
            } else {
                n
            }) as usize]
        };
        let (mut re, mut im) = (0.0, 0.0);
        for n in 0..WINDOW {
            let hann = 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos();
            let sample = at((frame * HOP + n) as i64 - WINDOW as i64 / 2) * hann;
            let angle = 2.0 * PI * (bin * n) as f64 / WINDOW as f64;
            re += sample * angle.cos();
            im -= sample * angle.sin();
        }
        re * re + im * im
    }

    #[test]
    fn the_fast_transform_agrees_with_the_definition() {
        let mut mel = LogMel::new();
        mel.place(&testbed::noise(SAMPLES, 5000));
        let half = WINDOW / 2;
        let sound: Vec<f64> =
            mel.sound[half..half + SAMPLES].iter().map(|&s| f64::from(s)).collect();
        for frame in [0, 2, 400, 798] {
            mel.transform(frame);
            for bin in [0, 1, 37, 199, 200] {
                let (even, odd) = powers(&mel.windows, bin);
                for (fast, frame) in [(even, frame), (odd, frame + 1)] {
                    let slow = slow_power(&sound, frame, bin);
                    let error = (f64::from(fast) - slow).abs() / (slow + 1.0);
                    assert!(error < 1e-3, "{frame} {bin}: {fast} {slow}");
                }
            }
        }
    }
}
