//! The innermost product: a few rows times a panel of weights, all in registers.

#![expect(unsafe_code, reason = "the processor's vectors are used directly")]

use super::{DEPTH, Halves, Kind, Line, WIDTH, rows::Given};

/// Rows of a tile.
pub(super) const HEIGHT: usize = 8;

/// What is multiplied: at most [`HEIGHT`] rows and a panel.
pub(super) struct Factors<'a> {
    pub(super) kind: Kind,
    pub(super) rows: Given<'a>,
    pub(super) numbers: &'a [Line],
    pub(super) scales: &'a [Halves],
    pub(super) floors: &'a [Halves],
}

pub(super) type Product = [[f32; WIDTH]; HEIGHT];

impl Factors<'_> {
    fn blocks(&self) -> usize {
        self.scales.len()
    }

    fn count(&self) -> usize {
        self.rows.sums.len() / self.blocks()
    }

    /// Everything has the length that the number of blocks and rows asks for.
    fn check(&self) {
        let (blocks, count) = (self.blocks(), self.count());
        let inputs = blocks * self.kind.block();
        assert_eq!(self.numbers.len(), blocks * self.kind.lines(), "lines of a panel");
        assert!(self.floors.is_empty() || self.floors.len() == blocks, "floors of a panel");
        assert_eq!(self.rows.numbers.len(), count * inputs, "numbers of the rows");
        assert_eq!(self.rows.scales.len(), count * inputs / super::rows::SHARED, "their scales");
        assert_eq!(self.rows.sums.len(), count * blocks, "their sums");
    }
}

/// Multiplies.
pub(super) fn multiply(factors: &Factors<'_>, product: &mut Product) {
    factors.check();
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        // SAFETY: the processor has what the function needs.
        unsafe { vnni::multiply(factors, product) };
        return;
    }
    portable::multiply(factors, product);
}

/// Whether the processor multiplies four pairs of bytes a lane in one instruction.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_fast() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn is_fast() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::arch::{
        asm,
        x86_64::{
            __m512, __m512i, _mm256_loadu_si256, _mm512_and_si512, _mm512_cvtepi32_ps,
            _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mask_add_epi8,
            _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_ps, _mm512_setzero_ps,
            _mm512_setzero_si512, _mm512_srli_epi16, _mm512_storeu_ps,
        },
    };

    use super::{
        super::pack::{FIVE_BITS, FOUR_BITS},
        super::rows::SHARED,
        DEPTH, Factors, Halves, Line, Product,
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn multiply(factors: &Factors<'_>, product: &mut Product) {
        macro_rules! of_height {
            ($bits:literal, $block:literal: $($height:literal),*) => {
                match factors.count() {
                    $($height => tile::<$height, $bits, $block>(factors, product),)*
                    _ => unreachable!("a tile has 1 to 8 rows"),
                }
            };
        }
        match (factors.kind.bits(), factors.kind.block()) {
            (4, _) => of_height!(4, 32: 1, 2, 3, 4, 5, 6, 7, 8),
            (5, _) => of_height!(5, 32: 1, 2, 3, 4, 5, 6, 7, 8),
            (_, 32) => of_height!(8, 32: 1, 2, 3, 4, 5, 6, 7, 8),
            (_, _) => of_height!(8, 16: 1, 2, 3, 4, 5, 6, 7, 8),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn tile<const ROWS: usize, const BITS: usize, const BLOCK: usize>(
        factors: &Factors<'_>,
        product: &mut Product,
    ) {
        let blocks = factors.blocks();
        let inputs = blocks * BLOCK;
        let lines = factors.kind.lines();
        let zero = _mm512_set1_ps(-factors.kind.zero());
        let (rows, row_scales) = (factors.rows.numbers.as_ptr(), factors.rows.scales.as_ptr());
        let row_sums = factors.rows.sums.as_ptr();
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for block in 0..blocks {
            let mut dots = [_mm512_setzero_si512(); ROWS];
            for pair in 0..BLOCK / (2 * DEPTH) {
                // SAFETY: `Factors::check` found so many lines and so many numbers of each row.
                unsafe {
                    let numbers = factors.numbers.as_ptr().add(block * lines);
                    let (first, second) = unpack::<BITS>(numbers, pair);
                    let at = rows.add(block * BLOCK + pair * 2 * DEPTH);
                    for (row, dot) in dots.iter_mut().enumerate() {
                        *dot = add_products(*dot, first, at.add(row * inputs));
                        *dot = add_products(*dot, second, at.add(row * inputs + DEPTH));
                    }
                }
            }
            let scale = halves(&factors.scales[block]);
            let floor = match factors.floors.get(block) {
                Some(floors) => halves(floors),
                None => _mm512_mul_ps(scale, zero),
            };
            for (row, (sum, dot)) in sums.iter_mut().zip(dots).enumerate() {
                // SAFETY: `Factors::check` found so many of both.
                let (row_scale, row_sum) = unsafe {
                    (
                        *row_scales.add(row * (inputs / SHARED) + block * BLOCK / SHARED),
                        *row_sums.add(row * blocks + block),
                    )
                };
                let whole = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), _mm512_set1_ps(row_scale));
                *sum = _mm512_fmadd_ps(floor, _mm512_set1_ps(row_sum), *sum);
                *sum = _mm512_fmadd_ps(whole, scale, *sum);
            }
        }
        for (product, sum) in product.iter_mut().zip(sums) {
            // SAFETY: a row of the product is as long as a vector.
            unsafe { _mm512_storeu_ps(product.as_mut_ptr(), sum) };
        }
    }

    /// Adds the products of four numbers of a row, from there on, with those of each output. As the intrinsic it
    /// would be compiled to many vectors of the row's numbers, more than the processor has registers for.
    ///
    /// # Safety
    /// The row has four numbers from there on.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn add_products(mut sum: __m512i, weights: __m512i, row: *const i8) -> __m512i {
        // SAFETY: as this function asks; nothing is written.
        unsafe {
            asm!(
                "vpdpbusd {sum}, {weights}, dword ptr [{row}]{{1to16}}",
                sum = inout(zmm_reg) sum,
                weights = in(zmm_reg) weights,
                row = in(reg) row,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        sum
    }

    /// The numbers of a block's inputs from `8 * pair` on: of four, and of the next four.
    ///
    /// # Safety
    /// The block's lines begin at `numbers`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    unsafe fn unpack<const BITS: usize>(numbers: *const Line, pair: usize) -> (__m512i, __m512i) {
        // SAFETY: as this function asks; lines are 64 bytes.
        unsafe {
            if BITS == 8 {
                let first = _mm512_loadu_si512(numbers.add(2 * pair).cast());
                return (first, _mm512_loadu_si512(numbers.add(2 * pair + 1).cast()));
            }
            let both = _mm512_loadu_si512(numbers.add(pair).cast());
            let low = _mm512_set1_epi8(15);
            let first = _mm512_and_si512(both, low);
            let second = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
            if BITS == FOUR_BITS {
                return (first, second);
            }
            debug_assert_eq!(BITS, FIVE_BITS);
            let high = numbers.add(super::super::pack::HIGH_LINE).cast::<u64>().add(2 * pair);
            let sixteen = _mm512_set1_epi8(16);
            (
                _mm512_mask_add_epi8(first, high.read(), first, sixteen),
                _mm512_mask_add_epi8(second, high.add(1).read(), second, sixteen),
            )
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    fn halves(halves: &Halves) -> __m512 {
        // SAFETY: sixteen f16 are 32 bytes.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(halves.0.as_ptr().cast()) })
    }
}

pub(super) mod portable {
    use multiversion::multiversion;

    use super::{super::rows::SHARED, DEPTH, Factors, Product, WIDTH};

    /// Numbers of a block at most.
    const MOST: usize = SHARED * WIDTH;

    #[multiversion(targets("x86_64+avx2+fma"))]
    pub(crate) fn multiply<'a>(factors: &Factors<'a>, product: &mut Product) {
        let (kind, blocks) = (factors.kind, factors.blocks());
        let (block_inputs, inputs) = (kind.block(), blocks * kind.block());
        *product = Product::default();
        let mut whole = [0_u8; MOST];
        for block in 0..blocks {
            let lines = &factors.numbers[block * kind.lines()..][..kind.lines()];
            let whole = &mut whole[..block_inputs * WIDTH];
            kind.unpack(lines, whole);
            let scales = factors.scales[block].0.map(f32::from);
            let floors = match factors.floors.get(block) {
                Some(floors) => floors.0.map(f32::from),
                None => scales.map(|scale| -kind.zero() * scale),
            };
            for (row, product) in product.iter_mut().take(factors.count()).enumerate() {
                let given = &factors.rows.numbers[row * inputs + block * block_inputs..];
                let mut dots = [0_i32; WIDTH];
                for (four, group) in given[..block_inputs]
                    .as_chunks::<DEPTH>()
                    .0
                    .iter()
                    .zip(whole.as_chunks::<{ WIDTH * DEPTH }>().0)
                {
                    for (dot, weights) in dots.iter_mut().zip(group.as_chunks::<DEPTH>().0) {
                        for (&x, &weight) in four.iter().zip(weights) {
                            *dot += i32::from(x) * i32::from(weight);
                        }
                    }
                }
                let at = row * (inputs / SHARED) + block * block_inputs / SHARED;
                let row_scale = factors.rows.scales[at];
                let row_sum = factors.rows.sums[row * blocks + block];
                for (n, sum) in product.iter_mut().enumerate() {
                    *sum = floors[n].mul_add(row_sum, *sum);
                    *sum = (dots[n] as f32 * row_scale).mul_add(scales[n], *sum);
                }
            }
        }
    }
}
