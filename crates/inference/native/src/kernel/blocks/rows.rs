//! Rows brought to whole numbers of 8 bits, a scale for every 32 of them.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

/// Numbers that share a scale.
pub(crate) const SHARED: usize = 32;
/// Numbers of the shortest block of weights.
const SHORT: usize = SHARED / 2;
/// Numbers that one thread brings to whole ones sooner than two.
const WORTH_SHARING: usize = 1 << 15;
/// Added to a number and taken away again, rounds it: 1.5 * 2^23.
const ROUNDS: f32 = 12_582_912.0;

/// Rows of `inputs` numbers; kept for the next time.
#[derive(Default)]
pub(crate) struct Rows {
    pub(super) count: usize,
    pub(super) inputs: usize,
    numbers: Vec<i8>,
    /// A scale for every [`SHARED`] numbers.
    scales: Vec<f32>,
    /// The sum of every [`SHARED`] numbers, and of every [`SHORT`], to scale.
    sums: Vec<f32>,
    short_sums: Vec<f32>,
}

/// Some rows, as a product reads them.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) numbers: &'a [i8],
    pub(super) scales: &'a [f32],
    /// One for each block of weights.
    pub(super) sums: &'a [f32],
}

impl Rows {
    /// Takes these rows instead of those before; `inputs` is a multiple of [`SHARED`].
    pub(crate) fn take(&mut self, rows: &[f32], inputs: usize) {
        assert!(inputs.is_multiple_of(SHARED) && rows.len().is_multiple_of(inputs), "whole blocks");
        self.count = rows.len() / inputs;
        self.inputs = inputs;
        self.numbers.resize(rows.len(), 0);
        self.scales.resize(rows.len() / SHARED, 0.0);
        self.sums.resize(rows.len() / SHARED, 0.0);
        self.short_sums.resize(rows.len() / SHORT, 0.0);
        let each = if rows.len() < WORTH_SHARING { rows.len().max(inputs) } else { inputs };
        let scales = self.scales.par_chunks_mut(each / SHARED);
        let sums = self.short_sums.par_chunks_mut(each / SHORT);
        let numbers = self.numbers.par_chunks_mut(each);
        let parts = rows.par_chunks(each).zip(numbers).zip(scales).zip(sums);
        parts.for_each(|(((rows, numbers), scales), sums)| {
            let sums = sums.as_chunks_mut().0;
            quantise(rows.as_chunks().0, numbers.as_chunks_mut().0, scales, sums);
        });
        for (sum, halves) in self.sums.iter_mut().zip(self.short_sums.as_chunks::<2>().0) {
            *sum = halves[0] + halves[1];
        }
    }

    /// Some of them, for weights in blocks of so many.
    pub(super) fn part(&self, rows: Range<usize>, block: usize) -> Given<'_> {
        let of = |each: usize| rows.start * each..rows.end * each;
        let sums = if block == SHORT { &self.short_sums } else { &self.sums };
        Given {
            numbers: &self.numbers[of(self.inputs)],
            scales: &self.scales[of(self.inputs / SHARED)],
            sums: &sums[of(self.inputs / block)],
        }
    }
}

/// Each block's nearest whole numbers of -127..=127, their scale, and the sums of its halves to scale.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn quantise(
    blocks: &[[f32; SHARED]],
    to: &mut [[i8; SHARED]],
    scales: &mut [f32],
    sums: &mut [[f32; 2]],
) {
    for (((block, to), scale), sums) in blocks.iter().zip(to).zip(scales).zip(sums) {
        // In halves and halves of halves, so that each is one vector.
        let mut largest: [f32; SHORT] = std::array::from_fn(|n| {
            let (a, b) = (block[n].abs(), block[n + SHORT].abs());
            if a > b { a } else { b }
        });
        for step in [8, 4, 2, 1] {
            for n in 0..step {
                let other = largest[n + step];
                largest[n] = if other > largest[n] { other } else { largest[n] };
            }
        }
        let most = largest[0];
        let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
        *scale = most / 127.0;
        for (x, to) in block.iter().zip(&mut *to) {
            *to = x.mul_add(inverse, ROUNDS).to_bits() as i8;
        }
        for (sum, half) in sums.iter_mut().zip(to.as_chunks::<SHORT>().0) {
            let mut whole = 0_i32;
            for &x in half {
                whole += i32::from(x);
            }
            *sum = whole as f32 * *scale;
        }
    }
}
