//! Resampling: a streaming polyphase filter for live sound, and whole clips of any rate.

mod clip;
mod filter;

pub use clip::{ClipSample, RateOutOfRange, resample_all};

use filter::Filter;

/// The lowest and the highest rate that sound may have here: below is no speech, above no sound card.
pub(crate) const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Converts live 16-bit sound from one rate to another.
///
/// A polyphase windowed-sinc filter (Kaiser, 70 dB): flat to 85 % of the narrower side's band,
/// more than 60 dB down beyond it. The delay is 30 samples at the lower of the two rates: 3.75 ms
/// between 8 kHz and any higher rate, 1.9 ms between 16 and 24 kHz, nothing where the rates are
/// equal. The ratio is exact where it reduces to terms of at most 1000, which covers every pair of
/// 8, 11.025, 16, 22.05, 24, 32, 44.1 and 48 kHz; any other pair gets the nearest such ratio.
/// Rates outside 1-384 kHz count as the nearest inside.
#[derive(Clone, Debug)]
pub struct Resampler {
    filter: Filter,
    delay_samples: usize,
    /// The filter's memory and what is being converted; grows to the longest input, no further.
    pending: Vec<f32>,
    /// Where the next output sample stands in `pending`, in steps of the filter.
    position: usize,
}

impl Resampler {
    /// Makes a resampler that has heard silence so far.
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let (up, down) = ratio(from_hz, to_hz);
        let filter = Filter::low_pass(up, down);
        let delay_samples =
            if up == down { 0 } else { (HALF_WIDTH * up.max(down) + down / 2) / down };
        let mut resampler = Self { filter, delay_samples, pending: Vec::new(), position: 0 };
        resampler.reset();
        resampler
    }

    /// Appends the converted `input` to `output`, as far as the filter has heard what it needs.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if self.filter.is_identity() {
            output.extend_from_slice(input);
            return;
        }
        self.pending.extend(input.iter().map(|&sample| f32::from(sample)));
        let (up, down) = (self.filter.up, self.filter.down);
        output.reserve((input.len() * up).div_ceil(down));
        while self.position / up < self.pending.len() {
            let (newest, phase) = (self.position / up, self.position % up);
            let heard = &self.pending[newest + 1 - self.filter.taps..=newest];
            output.push(to_sample(self.filter.apply(phase, heard)));
            self.position += down;
        }
        self.forget_the_used();
    }

    /// Appends what the filter still holds, as if silence followed, and starts afresh.
    ///
    /// After this the output is as long as the input times the ratio, plus the delay.
    pub fn finish(&mut self, output: &mut Vec<i16>) {
        let end = output.len() + self.delay_samples;
        while output.len() < end {
            self.process(&[0; 32], output);
        }
        output.truncate(end);
        self.reset();
    }

    /// Forgets what was heard, as after a gap in the stream.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(self.filter.taps - 1, 0.0);
        self.position = (self.filter.taps - 1) * self.filter.up;
    }

    /// How many output samples the output lags behind the input.
    pub fn delay_samples(&self) -> usize {
        self.delay_samples
    }

    fn forget_the_used(&mut self) {
        let memory = self.filter.taps - 1;
        let used = (self.position / self.filter.up - memory).min(self.pending.len());
        self.pending.drain(..used);
        self.position -= used * self.filter.up;
    }
}

/// The filter reaches this many samples to either side, counted at the lower rate.
const HALF_WIDTH: usize = 30;

/// The largest term of a ratio: bounds the filter's table to 61,000 coefficients.
const MAX_TERM: u64 = 1_000;

fn to_sample(value: f32) -> i16 {
    value.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

/// Output and input steps of the filter: `to / from` in lowest terms, or close to it.
fn ratio(from_hz: u32, to_hz: u32) -> (usize, usize) {
    let [from, to] =
        [from_hz, to_hz].map(|hz| u64::from(hz.clamp(*RATES_HZ.start(), *RATES_HZ.end())));
    let divisor = greatest_common_divisor(from, to);
    let (up, down) = nearest_ratio(to / divisor, from / divisor);
    (up as usize, down as usize)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The last convergent of the continued fraction of `up / down` whose terms are small enough.
fn nearest_ratio(up: u64, down: u64) -> (u64, u64) {
    let (mut numerator, mut denominator) = (up, down);
    let (mut before, mut best) = ((0, 1), (1, 0));
    while denominator != 0 {
        let whole = numerator / denominator;
        let next = (whole * best.0 + before.0, whole * best.1 + before.1);
        if next.0.max(next.1) > MAX_TERM {
            break;
        }
        (before, best) = (best, next);
        (numerator, denominator) = (denominator, numerator % denominator);
    }
    best
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    const PAIRS: [(u32, u32); 14] = [
        (8_000, 16_000),
        (8_000, 24_000),
        (8_000, 48_000),
        (16_000, 8_000),
        (16_000, 24_000),
        (16_000, 48_000),
        (24_000, 8_000),
        (24_000, 16_000),
        (24_000, 48_000),
        (48_000, 8_000),
        (48_000, 16_000),
        (48_000, 24_000),
        (22_050, 24_000),
        (44_100, 16_000),
    ];

    fn sine(hz: f32, rate: u32, seconds: f32) -> Vec<i16> {
        let count = (rate as f32 * seconds) as usize;
        (0..count).map(|n| (20_000.0 * (TAU * hz * n as f32 / rate as f32).sin()) as i16).collect()
    }

    fn converted(input: &[i16], from: u32, to: u32) -> Vec<i16> {
        let mut output = Vec::new();
        Resampler::new(from, to).process(input, &mut output);
        output
    }

    /// Power in dB relative to a sine of amplitude 20,000, past the filter's start.
    fn level_db(samples: &[i16]) -> f32 {
        let settled = &samples[samples.len() / 4..];
        let power: f64 = settled.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        (10.0 * (power / settled.len() as f64 / 2e8 + 1e-12).log10()) as f32
    }

    /// What is left after the best fit of a sine of `hz`, in dB below that amplitude.
    fn residue_db(samples: &[i16], hz: f32, rate: u32) -> f32 {
        let settled = &samples[samples.len() / 4..];
        let angle = |n: usize| f64::from(TAU) * f64::from(hz) * n as f64 / f64::from(rate);
        let scale = 2.0 / settled.len() as f64;
        let fit = |wave: fn(f64) -> f64| -> f64 {
            settled.iter().enumerate().map(|(n, &s)| f64::from(s) * wave(angle(n))).sum::<f64>()
                * scale
        };
        let (a, b) = (fit(f64::sin), fit(f64::cos));
        let residue: Vec<i16> = settled
            .iter()
            .enumerate()
            .map(|(n, &s)| (f64::from(s) - a * angle(n).sin() - b * angle(n).cos()) as i16)
            .collect();
        level_db(&residue)
    }

    #[test]
    fn a_sweep_through_the_stop_band_is_60_db_down() {
        for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
            let nyquist = to as f32 / 2.0;
            for step in 0..40 {
                let hz = nyquist + (from as f32 / 2.0 - nyquist) * (step as f32 + 0.5) / 40.0;
                let level = level_db(&converted(&sine(hz, from, 0.2), from, to));
                assert!(level < -60.0, "{from} -> {to}: {hz} Hz is left at {level} dB");
            }
        }
    }

    #[test]
    fn a_sweep_through_the_pass_band_is_flat_and_without_images() {
        for (from, to) in PAIRS {
            let band = from.min(to) as f32 / 2.0 * 0.85;
            for step in 1..=20 {
                // Whole periods in the settled part, so that the fit is exact.
                let hz = (band * step as f32 / 20.0 / 20.0).floor().max(1.0) * 20.0;
                let output = converted(&sine(hz, from, 0.4), from, to);
                let whole = (to as f32 * 0.2) as usize;
                let tail = &output[output.len() - whole..];
                let level = level_db(tail);
                assert!(level.abs() < 0.1, "{from} -> {to}: {hz} Hz comes out at {level} dB");
                let residue = residue_db(tail, hz, to);
                assert!(residue < -58.0, "{from} -> {to}: {hz} Hz has images at {residue} dB");
            }
        }
    }

    #[test]
    fn the_cut_into_calls_does_not_change_the_sound() {
        for (from, to) in PAIRS {
            let input = sine(440.0, from, 0.3);
            let whole = converted(&input, from, to);
            let (mut resampler, mut pieces) = (Resampler::new(from, to), Vec::new());
            let (mut rest, mut length) = (&input[..], 1);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(length.min(rest.len()));
                resampler.process(piece, &mut pieces);
                (rest, length) = (after, length * 7 % 311);
            }
            assert_eq!(pieces, whole, "{from} -> {to}");
        }
    }

    #[test]
    fn twenty_milliseconds_stay_twenty_milliseconds() {
        for (from, to) in &PAIRS[..12] {
            let (mut resampler, mut output) = (Resampler::new(*from, *to), Vec::new());
            for _ in 0..50 {
                output.clear();
                resampler.process(&vec![0; *from as usize / 50], &mut output);
                assert_eq!(output.len(), *to as usize / 50, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn the_delay_is_as_documented_and_finishing_gives_it_back() {
        for (from, to) in PAIRS {
            let mut input = vec![0; from as usize / 10];
            input[0] = 16_000;
            let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
            resampler.process(&input, &mut output);
            let length = output.len();
            resampler.finish(&mut output);
            assert_eq!(output.len(), length + resampler.delay_samples());
            let loudest = (0..output.len()).max_by_key(|&n| output[n]).unwrap();
            assert_eq!(loudest, resampler.delay_samples(), "{from} -> {to}");
        }
    }

    #[test]
    fn equal_rates_change_nothing() {
        let input = sine(1_000.0, 16_000, 0.1);
        assert_eq!(converted(&input, 16_000, 16_000), input);
        assert_eq!(Resampler::new(16_000, 16_000).delay_samples(), 0);
    }

    #[test]
    fn a_reset_resampler_has_heard_nothing() {
        let input = sine(700.0, 24_000, 0.1);
        let mut resampler = Resampler::new(24_000, 8_000);
        resampler.process(&[i16::MAX; 555], &mut Vec::new());
        resampler.reset();
        let mut output = Vec::new();
        resampler.process(&input, &mut output);
        assert_eq!(output, converted(&input, 24_000, 8_000));
    }

    #[test]
    fn full_scale_does_not_wrap_around() {
        let square: Vec<i16> =
            (0..4_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let output = converted(&square, 8_000, 16_000);
        // Inside a plateau the sound stays near the top even where the filter overshoots.
        for (n, &sample) in output.iter().enumerate().skip(200) {
            let place = (n + 80 - 60) % 40;
            if (4..36).contains(&place) {
                assert!(sample.unsigned_abs() > 25_000, "sample {n} is {sample}");
            }
        }
    }

    #[test]
    fn odd_rates_get_the_nearest_small_ratio() {
        assert_eq!(ratio(22_050, 24_000), (160, 147));
        assert_eq!(ratio(44_100, 8_000), (80, 441));
        let (up, down) = ratio(44_101, 16_000);
        assert!(up.max(down) <= 1_000);
        assert!((up as f64 / down as f64 - 16_000.0 / 44_101.0).abs() < 1e-5);
        for extreme in [(0, u32::MAX), (u32::MAX, 0), (0, 0), (1_001, 383_999)] {
            let (up, down) = ratio(extreme.0, extreme.1);
            assert!(up >= 1 && down >= 1, "{extreme:?} gave {up}/{down}");
        }
    }
}
