//! The innermost product: a few rows times a few panels of weights, all in registers.

#![expect(unsafe_code, reason = "the processor's vectors are used directly")]

/// Rows of a tile.
pub(crate) const HEIGHT: usize = 8;
/// Panels of a tile.
pub(crate) const PANELS: usize = 3;
/// Outputs of a panel.
pub(crate) const WIDTH: usize = 16;
/// Inputs that one instruction multiplies and adds up.
pub(crate) const DEPTH: usize = 4;

/// [`WIDTH`] outputs' weights of [`DEPTH`] inputs.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Cell(pub(crate) [i8; WIDTH * DEPTH]);

impl Default for Cell {
    fn default() -> Self {
        Self([0; WIDTH * DEPTH])
    }
}

/// What is multiplied.
pub(crate) struct Factors<'a> {
    /// At most [`HEIGHT`] rows, as many as scales: 128 and a whole number of -127..=127 each.
    pub(crate) rows: &'a [u8],
    pub(crate) row_scales: &'a [f32],
    /// At most [`PANELS`] panels.
    pub(crate) weights: &'a [Cell],
    /// Of each panel's outputs, as the next two.
    pub(crate) weight_scales: &'a [f32],
    /// What the 128s add to each product.
    pub(crate) sums: &'a [i32],
    pub(crate) bias: &'a [f32],
}

pub(crate) type Product = [[f32; PANELS * WIDTH]; HEIGHT];

/// Multiplies.
pub(crate) fn multiply(factors: &Factors<'_>, product: &mut Product) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has what the function needs.
        unsafe { vnni::multiply(factors, product) };
        return;
    }
    portable::multiply(factors, product);
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::arch::x86_64::{
        __m512i, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
        _mm512_storeu_ps, _mm512_sub_epi32,
    };

    use super::{DEPTH, Factors, Product, WIDTH};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn multiply(factors: &Factors<'_>, product: &mut Product) {
        let panels = factors.weight_scales.len() / WIDTH;
        macro_rules! of_height {
            ($($height:literal),*) => {
                match (factors.row_scales.len(), panels) {
                    $(
                        ($height, 1) => tile::<$height, 1>(factors, product),
                        ($height, 2) => tile::<$height, 2>(factors, product),
                        ($height, _) => tile::<$height, 3>(factors, product),
                    )*
                    _ => unreachable!("a tile has 1 to 8 rows"),
                }
            };
        }
        of_height!(1, 2, 3, 4, 5, 6, 7, 8);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn tile<const ROWS: usize, const PANELS: usize>(factors: &Factors<'_>, product: &mut Product) {
        let deep = factors.weights.len() / PANELS;
        assert!(
            factors.rows.len() == ROWS * deep * DEPTH && factors.weights.len() == PANELS * deep
        );
        assert!(
            factors.sums.len() == PANELS * WIDTH && factors.weight_scales.len() == PANELS * WIDTH
        );
        assert!(factors.bias.len() == PANELS * WIDTH && factors.row_scales.len() == ROWS);
        let mut sums = [[_mm512_setzero_si512(); PANELS]; ROWS];
        let rows = factors.rows.as_ptr();
        let weights = factors.weights.as_ptr();
        for at in 0..deep {
            // SAFETY: below the lengths that were checked; a cell is 64 bytes, any alignment is allowed.
            let cells: [__m512i; PANELS] = std::array::from_fn(|panel| unsafe {
                _mm512_loadu_si512(weights.add(panel * deep + at).cast())
            });
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: likewise; four bytes of a row.
                let four =
                    unsafe { rows.add((row * deep + at) * DEPTH).cast::<i32>().read_unaligned() };
                let four = _mm512_set1_epi32(four);
                for (sum, &cell) in sums.iter_mut().zip(&cells) {
                    *sum = _mm512_dpbusd_epi32(*sum, four, cell);
                }
            }
        }
        for panel in 0..PANELS {
            let from = panel * WIDTH;
            // SAFETY: each has a panel's numbers from there on, as was checked.
            let (offsets, scales, bias) = unsafe {
                (
                    _mm512_loadu_si512(factors.sums.as_ptr().add(from).cast()),
                    _mm512_loadu_ps(factors.weight_scales.as_ptr().add(from)),
                    _mm512_loadu_ps(factors.bias.as_ptr().add(from)),
                )
            };
            for (row, sums) in sums.iter().enumerate() {
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(factors.row_scales[row]));
                let whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[panel], offsets));
                // SAFETY: a row of the product has room for all panels.
                unsafe {
                    _mm512_storeu_ps(
                        product[row].as_mut_ptr().add(from),
                        _mm512_fmadd_ps(whole, scale, bias),
                    );
                }
            }
        }
    }
}

pub(super) mod portable {
    use multiversion::multiversion;

    use super::{DEPTH, Factors, Product, WIDTH};

    #[multiversion(targets("x86_64+avx2+fma"))]
    pub(crate) fn multiply<'a>(factors: &Factors<'a>, product: &mut Product) {
        let panels = factors.weight_scales.len() / WIDTH;
        let deep = factors.weights.len() / panels;
        let rows = factors.rows.chunks_exact(deep * DEPTH).zip(factors.row_scales);
        for ((row, &row_scale), product) in rows.zip(product) {
            let weights = factors.weights.chunks_exact(deep);
            for (panel, (cells, product)) in
                weights.zip(product.as_chunks_mut::<WIDTH>().0).enumerate()
            {
                let mut sums = [0_i32; WIDTH];
                for (four, cell) in row.as_chunks::<DEPTH>().0.iter().zip(cells) {
                    let four = four.map(|x| i32::from(x) - 128);
                    for (sum, weights) in sums.iter_mut().zip(cell.0.as_chunks::<DEPTH>().0) {
                        for (x, &weight) in four.iter().zip(weights) {
                            *sum += x * i32::from(weight);
                        }
                    }
                }
                let from = panel * WIDTH;
                for (n, (to, sum)) in product.iter_mut().zip(sums).enumerate() {
                    let scale = factors.weight_scales[from + n] * row_scale;
                    *to = (sum as f32).mul_add(scale, factors.bias[from + n]);
                }
            }
        }
    }
}
