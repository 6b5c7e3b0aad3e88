//! Whisper's log-mel spectrogram (Radford et al. 2022): frames of 10 ms, one after the other.

use std::{f64::consts::PI, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// Samples from frame to frame at 16 kHz.
pub(crate) const HOP: usize = 160;
/// Samples of a frame.
const WINDOW: usize = 400;
/// Frequencies that a frame is taken apart into.
pub(crate) const BINS: usize = WINDOW / 2 + 1;
/// Power below this counts as this.
const FLOOR: f32 = 1e-10;
/// Powers of ten below the loudest that are kept apart.
const RANGE: f32 = 8.0;

/// Tables and working memory.
pub(crate) struct LogMel {
    fft: Arc<dyn Fft<f32>>,
    hann: Vec<f32>,
    bands: Vec<Band>,
    windows: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    powers: Vec<[f32; 2]>,
}

/// A filter: its weights from the bin `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl LogMel {
    /// With filters `[mels, 201]`.
    pub(crate) fn new(filters: &[f32]) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(WINDOW);
        let hann = (0..WINDOW).map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos());
        let band = |filter: &[f32]| {
            let first = filter.iter().position(|&w| w != 0.0).unwrap_or(0);
            let end = filter.iter().rposition(|&w| w != 0.0).map_or(first, |last| last + 1);
            Band { first, weights: filter[first..end].to_vec() }
        };
        Self {
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            fft,
            hann: hann.map(|w| w as f32).collect(),
            bands: filters.chunks_exact(BINS).map(band).collect(),
            windows: vec![Complex::default(); WINDOW],
            powers: vec![[0.0; 2]; BINS],
        }
    }

    /// The features of `samples` and the silence after them: `[frames, mels]`; `frames` is even.
    pub(crate) fn features(&mut self, samples: &[f32], frames: usize) -> Vec<f32> {
        let mels = self.bands.len();
        let mut features = vec![0.0; frames * mels];
        let mut loudest = FLOOR.log10();
        // Two real windows ride in one complex transform.
        for (pair, rows) in features.chunks_exact_mut(2 * mels).enumerate() {
            self.transform(samples, 2 * pair);
            let (even, odd) = rows.split_at_mut(mels);
            for ((band, even), odd) in self.bands.iter().zip(even).zip(odd) {
                let powers = self.powers[band.first..].iter().zip(&band.weights);
                let sums = powers.fold([0.0; 2], |sum, (power, weight)| {
                    [sum[0] + power[0] * weight, sum[1] + power[1] * weight]
                });
                *even = sums[0].max(FLOOR).log10();
                *odd = sums[1].max(FLOOR).log10();
                loudest = loudest.max(*even).max(*odd);
            }
        }
        for feature in &mut features {
            *feature = (feature.max(loudest - RANGE) + 4.0) / 4.0;
        }
        features
    }

    /// Powers of `frame` and of the one after.
    fn transform(&mut self, samples: &[f32], frame: usize) {
        let start = (frame * HOP).cast_signed() - (WINDOW / 2).cast_signed();
        for (n, window) in self.windows.iter_mut().enumerate() {
            // What lies before the sound is its mirror image.
            let at = (start + n.cast_signed()).unsigned_abs();
            let next = (start + (n + HOP).cast_signed()).unsigned_abs();
            let sample = |at: usize| samples.get(at).copied().unwrap_or(0.0) * self.hann[n];
            *window = Complex::new(sample(at), sample(next));
        }
        self.fft.process_with_scratch(&mut self.windows, &mut self.scratch);
        // Taken apart by the symmetry of real signals' spectra.
        for (bin, powers) in self.powers.iter_mut().enumerate() {
            let here = self.windows[bin];
            let mirror = self.windows[(WINDOW - bin) % WINDOW].conj();
            *powers = [(here + mirror).norm_sqr() / 4.0, (here - mirror).norm_sqr() / 4.0];
        }
    }
}
