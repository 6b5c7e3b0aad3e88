//! Functions of rows, written so that the compiler puts them into the processor's widest vectors.

use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

use multiversion::multiversion;

/// Numbers that a loop keeps apart, so that it can be put into vectors.
const LANES: usize = 16;
/// Added to a number and taken away again, rounds it: 1.5 * 2^23.
const ROUNDS: f32 = 12_582_912.0;
/// What is added to the variance of a layer norm (Radford et al. 2022).
const NORM_FLOOR: f32 = 1e-5;

/// e to the power of `x`, relative error below 3e-7; `x` is taken as -87..=88.
#[expect(clippy::inline_always, reason = "it is compiled for the processor of its caller")]
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(LOG2_E, ROUNDS);
    let whole = shifted - ROUNDS;
    let rest = whole.mul_add(-LN_2, x);
    // Taylor's series suffices: the rest is below ln 2 / 2.
    let mut sum = 1.0 / 5_040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = rest.mul_add(sum, factor);
    }
    let power = shifted.to_bits().wrapping_sub(ROUNDS.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

/// Half of x times (1 + erf(x / sqrt 2)), absolute error below 1e-6 (Abramowitz and Stegun 7.1.26).
#[expect(clippy::inline_always, reason = "it is compiled for the processor of its caller")]
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let mut sum = 1.061_405_4;
    for factor in [-1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        sum = t.mul_add(sum, factor);
    }
    let erf = 1.0 - sum * t * exp(-z * z);
    0.5 * x * (1.0 + erf.copysign(x))
}

/// The Gaussian error linear unit of each number.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn gelu(row: &mut [f32]) {
    for x in row {
        *x = gelu_of(*x);
    }
}

/// Adds a row to a row.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn add(row: &mut [f32], other: &[f32]) {
    for (x, y) in row.iter_mut().zip(other) {
        *x += y;
    }
}

/// Makes a row of logits, times `scale`, probabilities.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn softmax(row: &mut [f32], scale: f32) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut most = [f32::MIN; LANES];
    for chunk in chunks {
        for (most, &x) in most.iter_mut().zip(chunk) {
            *most = if x > *most { x } else { *most };
        }
    }
    let most = most.iter().chain(rest).fold(f32::MIN, |a, &b| a.max(b)) * scale;
    let mut sums = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp(x.mul_add(scale, -most));
            *sum += *x;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for x in rest {
        *x = exp(x.mul_add(scale, -most));
        sum += *x;
    }
    let inverse = 1.0 / sum;
    for x in row {
        *x *= inverse;
    }
}

/// The largest number and the natural logarithm of the sum of all numbers' powers of e.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn log_sum_exp(row: &[f32]) -> (f32, f32) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut most = [f32::MIN; LANES];
    for chunk in chunks {
        for (most, &x) in most.iter_mut().zip(chunk) {
            *most = if x > *most { x } else { *most };
        }
    }
    let most = most.iter().chain(rest).fold(f32::MIN, |a, &b| a.max(b));
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += exp(x - most);
        }
    }
    let sum: f32 = sums.iter().sum::<f32>() + rest.iter().map(|&x| exp(x - most)).sum::<f32>();
    (most, most + sum.ln())
}

/// Writes a row with mean 0 and variance 1, times `gain`, plus `bias`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn layer_norm(row: &[f32], gain: &[f32], bias: &[f32], to: &mut [f32]) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let count = row.len() as f32;
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    let mean = sums.iter().chain(rest).sum::<f32>() / count;
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += (x - mean) * (x - mean);
        }
    }
    let squares: f32 = rest.iter().map(|&x| (x - mean) * (x - mean)).sum();
    let inverse = 1.0 / ((sums.iter().sum::<f32>() + squares) / count + NORM_FLOOR).sqrt();
    for (((to, &x), &gain), &bias) in to.iter_mut().zip(row).zip(gain).zip(bias) {
        *to = ((x - mean) * inverse).mul_add(gain, bias);
    }
}

/// Writes a row with a mean square of 1, times `gain`; `floor` is added to its mean square.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn rms_norm(row: &[f32], gain: &[f32], floor: f32, to: &mut [f32]) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum = x.mul_add(x, *sum);
        }
    }
    let squares = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    let inverse = 1.0 / (squares / row.len() as f32 + floor).sqrt();
    for ((to, &x), &gain) in to.iter_mut().zip(row).zip(gain) {
        *to = x * inverse * gain;
    }
}

/// Multiplies each number's sigmoid linear unit by another's number.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn gate(row: &mut [f32], other: &[f32]) {
    for (x, &y) in row.iter_mut().zip(other) {
        *x = *x / (1.0 + exp(-*x)) * y;
    }
}

/// Writes each number as 128 and a whole number of -127..=127; gives their scale.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn quantise(row: &[f32], to: &mut [u8]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut most = [0.0; LANES];
    for chunk in chunks {
        for (most, x) in most.iter_mut().zip(chunk) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let most = most.iter().chain(rest).fold(0.0_f32, |a, b| a.max(b.abs()));
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    for (&x, to) in row.iter().zip(to) {
        *to = x.mul_add(inverse, ROUNDS + 128.0).to_bits() as u8;
    }
    most / 127.0
}

/// The products of a query with some keys: one every `stride` numbers.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn products(query: &[f32], keys: &[f32], stride: usize, to: &mut [f32]) {
    let (query, _) = query.as_chunks::<LANES>();
    for (n, to) in to.iter_mut().enumerate() {
        let (key, _) = keys[n * stride..][..query.len() * LANES].as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for (query, key) in query.iter().zip(key) {
            for ((sum, &a), &b) in sums.iter_mut().zip(query).zip(key) {
                *sum = a.mul_add(b, *sum);
            }
        }
        *to = sums.iter().sum();
    }
}

/// The sum of some values, one every `stride` numbers, each times its weight.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn mix(weights: &[f32], values: &[f32], stride: usize, to: &mut [f32]) {
    to.fill(0.0);
    let (to, _) = to.as_chunks_mut::<LANES>();
    for (n, &weight) in weights.iter().enumerate() {
        let (value, _) = values[n * stride..][..to.len() * LANES].as_chunks::<LANES>();
        for (to, value) in to.iter_mut().zip(value) {
            for (to, &value) in to.iter_mut().zip(value) {
                *to = weight.mul_add(value, *to);
            }
        }
    }
}
