//! The spectrogram that the encoder was trained on: 40 mel bands of power, not logarithmic, each frame
//! 25 ms around a multiple of 10 ms, as librosa makes it.

use std::{f64::consts::PI, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// Mel bands.
pub(crate) const MELS: usize = 40;
/// Samples from frame to frame: 10 ms.
pub(crate) const HOP: usize = 160;
const RATE_HZ: f64 = 16_000.0;
/// Samples in a frame's window.
const WINDOW: usize = 400;
const BINS: usize = WINDOW / 2 + 1;

/// The spectrogram's tables and working memory.
pub(crate) struct Mel {
    fft: Arc<dyn Fft<f32>>,
    hann: Vec<f32>,
    bands: Vec<Band>,
    window: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

/// One triangular filter: its weights from the bin `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl Mel {
    /// Computes the tables.
    pub(crate) fn new() -> Self {
        let fft = FftPlanner::new().plan_fft_forward(WINDOW);
        let scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
        let hann = (0..WINDOW).map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos());
        Self {
            fft,
            hann: hann.map(|w| w as f32).collect(),
            bands: bands(),
            window: vec![Complex::default(); WINDOW],
            scratch,
        }
    }

    /// Appends `frames` frames from the frame `first` on, [`MELS`] numbers each, of `samples` made
    /// `gain` times as loud; silence stands around them.
    pub(crate) fn append(
        &mut self,
        (samples, gain): (&[i16], f32),
        first: usize,
        frames: usize,
        spectrogram: &mut Vec<f32>,
    ) {
        for frame in first..first + frames {
            self.place(samples, gain / 32768.0, frame);
            self.fft.process_with_scratch(&mut self.window, &mut self.scratch);
            spectrogram.extend(self.bands.iter().map(|band| {
                let bins = self.window[band.first..].iter().zip(&band.weights);
                bins.map(|(bin, weight)| weight * bin.norm_sqr()).sum::<f32>()
            }));
        }
    }

    fn place(&mut self, samples: &[i16], scale: f32, frame: usize) {
        let start = (frame * HOP).checked_sub(WINDOW / 2);
        for (n, (out, hann)) in self.window.iter_mut().zip(&self.hann).enumerate() {
            let at =
                start.map_or((frame * HOP + n).checked_sub(WINDOW / 2), |start| Some(start + n));
            let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0);
            *out = Complex::new(f32::from(sample) * scale * hann, 0.0);
        }
    }
}

/// The filters: triangles between equal steps of Slaney's mel scale, each of equal area.
fn bands() -> Vec<Band> {
    let top = mel(RATE_HZ / 2.0);
    let edges: Vec<f64> =
        (0..MELS + 2).map(|n| hertz(top * n as f64 / (MELS + 1) as f64)).collect();
    edges.windows(3).map(|edges| band(edges[0], edges[1], edges[2])).collect()
}

fn band(low: f64, mid: f64, high: f64) -> Band {
    let weight = |bin: usize| {
        let at = bin as f64 * RATE_HZ / WINDOW as f64;
        let slope = ((at - low) / (mid - low)).min((high - at) / (high - mid));
        (slope.max(0.0) * 2.0 / (high - low)) as f32
    };
    let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
    let weights = (first..BINS).map(weight).take_while(|&w| w > 0.0).collect();
    Band { first, weights }
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
    use crate::testbed::{noise, tone};

    fn frames(samples: &[i16], gain: f32, first: usize, frames: usize) -> Vec<f32> {
        let mut spectrogram = Vec::new();
        Mel::new().append((samples, gain), first, frames, &mut spectrogram);
        spectrogram
    }

    #[test]
    fn a_tone_lights_up_the_band_it_lies_in() {
        for tone_hz in [200.0, 1000.0, 3000.0] {
            let frame = frames(&tone(tone_hz, 3200), 1.0, 10, 1);
            let brightest = (0..MELS).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
            let step = mel(RATE_HZ / 2.0) / (MELS + 1) as f64;
            let away = mel(tone_hz) / step - (brightest + 1) as f64;
            assert!(away.abs() < 1.0, "{tone_hz} Hz: band {brightest}");
        }
    }

    #[test]
    fn a_part_has_the_frames_that_the_whole_has_there() {
        let sound = noise(16_000, 8000);
        let whole = frames(&sound, 1.0, 0, 100);
        assert_eq!(frames(&sound, 1.0, 37, 20), whole[37 * MELS..57 * MELS]);
    }

    #[test]
    fn power_grows_with_the_square_of_the_gain() {
        let sound = noise(4000, 1000);
        let (soft, loud) = (frames(&sound, 1.0, 5, 1), frames(&sound, 3.0, 5, 1));
        for (soft, loud) in soft.iter().zip(&loud) {
            assert!((loud / soft - 9.0).abs() < 1e-3, "{soft} {loud}");
        }
    }

    #[test]
    fn around_the_sound_there_is_silence() {
        assert_eq!(frames(&noise(1600, 8000), 1.0, 20, 2), [0.0; 2 * MELS]);
        assert!(frames(&noise(1600, 8000), 1.0, 0, 1).iter().all(|&power| power > 0.0));
        assert_eq!(frames(&[], 1.0, 0, 1), [0.0; MELS]);
    }

    #[test]
    fn the_fast_transform_agrees_with_the_definition() {
        let sound = noise(4000, 8000);
        let frame = frames(&sound, 1.0, 10, 1);
        let power = |bin: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for n in 0..WINDOW {
                let angle = 2.0 * PI * n as f64 / WINDOW as f64;
                let sample = f64::from(sound[10 * HOP + n - WINDOW / 2]) / 32768.0;
                let sample = sample * (0.5 - 0.5 * angle.cos());
                re += sample * (angle * bin as f64).cos();
                im -= sample * (angle * bin as f64).sin();
            }
            re * re + im * im
        };
        for (number, band) in bands().iter().enumerate() {
            let bins = (band.first..).zip(&band.weights);
            let slow: f64 = bins.map(|(bin, &weight)| f64::from(weight) * power(bin)).sum();
            let error = (f64::from(frame[number]) - slow).abs() / slow;
            assert!(error < 1e-3, "band {number}: {} {slow}", frame[number]);
        }
    }
}
