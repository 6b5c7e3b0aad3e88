//! The low-pass filter of a resampler, cut into one row of coefficients a phase.

use std::f64::consts::PI;

use super::HALF_WIDTH;

/// How far the stop band is down by design; more than the 60 dB promised.
const STOP_BAND_DB: f64 = 70.0;

/// The middle of the transition, in parts of the narrower band: it runs from 0.85 to 1.
const CUTOFF: f64 = 0.925;

/// How many sums run side by side, so that the compiler can use vector registers.
const LANES: usize = 8;

/// A windowed sinc at `up` times the input's rate, read every `down` steps.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) up: usize,
    pub(super) down: usize,
    /// Input samples an output sample depends on; a multiple of [`LANES`].
    pub(super) taps: usize,
    /// `up` rows of `taps`, oldest sample first.
    rows: Vec<f32>,
}

impl Filter {
    pub(super) fn low_pass(up: usize, down: usize) -> Self {
        let half = HALF_WIDTH * up.max(down);
        let taps = (2 * half + 1).div_ceil(up).next_multiple_of(LANES);
        let mut rows = vec![0.0; up * taps];
        for step in 0..=2 * half {
            let (phase, age) = (step % up, step / up);
            rows[phase * taps + taps - 1 - age] = coefficient(step, half, up, down) as f32;
        }
        Self { up, down, taps, rows }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.up == self.down
    }

    /// The output sample of `phase` after the `taps` input samples `heard`.
    pub(super) fn apply(&self, phase: usize, heard: &[f32]) -> f32 {
        let row = &self.rows[phase * self.taps..][..self.taps];
        let (heard, _) = heard.as_chunks::<LANES>();
        let (row, _) = row.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for (samples, coefficients) in heard.iter().zip(row) {
            for ((sum, sample), coefficient) in sums.iter_mut().zip(samples).zip(coefficients) {
                *sum += sample * coefficient;
            }
        }
        sums.iter().sum()
    }
}

fn coefficient(step: usize, half: usize, up: usize, down: usize) -> f64 {
    let offset = step as f64 - half as f64;
    let cutoff = CUTOFF / up.max(down) as f64;
    let sinc =
        if offset == 0.0 { 1.0 } else { (PI * cutoff * offset).sin() / (PI * cutoff * offset) };
    sinc * kaiser(offset / half as f64) * cutoff * up as f64
}

/// The Kaiser window at `x` in -1..=1 (Kaiser 1974).
fn kaiser(x: f64) -> f64 {
    let beta = 0.1102 * (STOP_BAND_DB - 8.7);
    bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..50 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_passes_a_constant_unchanged() {
        for (up, down) in [(2, 1), (1, 3), (3, 2), (160, 147), (1, 6)] {
            let filter = Filter::low_pass(up, down);
            for phase in 0..up {
                let sum = filter.apply(phase, &vec![1.0; filter.taps]);
                assert!((sum - 1.0).abs() < 2e-3, "{up}/{down} phase {phase}: {sum}");
            }
        }
    }

    #[test]
    fn the_bessel_series_has_converged() {
        // Abramowitz and Stegun, table 9.8.
        assert!((bessel_i0(0.0) - 1.0).abs() < 1e-12);
        assert!((bessel_i0(1.0) - 1.266_065_877_752_008).abs() < 1e-12);
        assert!((bessel_i0(5.0) - 27.239_871_823_604_44).abs() < 1e-9);
    }
}
