//! A convolution over time by the vectors of AVX-512: rows are moments, columns are channels.

#![expect(unsafe_code, reason = "the processor's vectors are used directly")]

use std::arch::x86_64::{
    _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

/// Outputs of a panel: two vectors.
const PANEL: usize = 32;
/// Rows computed together: with two vectors each they fill 24 of the 32 registers.
const ROWS: usize = 12;

/// Whether this processor has what is needed.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Rows with silence around them, as convolutions look at them.
#[derive(Default)]
pub(super) struct Padded {
    values: Vec<f32>,
    width: usize,
    rows: usize,
    margin: usize,
}

impl Padded {
    /// Takes `rows`, each `width` wide, through `map`, with `margin` rows of silence on either side.
    pub(super) fn fill(
        &mut self,
        rows: &[f32],
        width: usize,
        margin: usize,
        map: impl Fn(f32) -> f32,
    ) {
        (self.width, self.margin, self.rows) = (width, margin, rows.len() / width);
        self.values.clear();
        self.values.resize(margin * width, 0.0);
        self.values.extend(rows.iter().map(|&value| map(value)));
        // The last rows are computed by the dozen, those beyond the end for nothing.
        self.values.resize((self.rows + 2 * margin + ROWS) * width, 0.0);
    }
}

/// What each output is made of: at each tap, the inputs so many rows away.
pub(super) struct Conv {
    inputs: usize,
    outputs: usize,
    /// Rows from the output's, one a tap.
    offsets: Vec<isize>,
    /// `[panels, taps, inputs, PANEL]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Where the outputs of a convolution go.
pub(super) struct Into<'a> {
    /// Rows, the first of which is the first output.
    pub(super) rows: &'a mut Vec<f32>,
    /// A row to another: 1, or the stride where each of so many phases makes rows of its own.
    pub(super) stride: usize,
    /// Which phase.
    pub(super) phase: usize,
    /// What is added, as many rows as there are outputs.
    pub(super) residual: Option<&'a [f32]>,
}

impl<'a> Into<'a> {
    /// Rows one after the other, nothing added.
    pub(super) fn rows(rows: &'a mut Vec<f32>) -> Self {
        Self { rows, stride: 1, phase: 0, residual: None }
    }
}

impl Conv {
    /// One of `weight(output, input, tap)`, each tap at its offset; none where the outputs do not fill
    /// whole panels.
    pub(super) fn new(
        (outputs, inputs): (usize, usize),
        offsets: Vec<isize>,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Option<Self> {
        if outputs % PANEL != 0 || bias.len() != outputs || offsets.is_empty() {
            return None;
        }
        let mut weights = Vec::with_capacity(outputs * inputs * offsets.len());
        for panel in 0..outputs / PANEL {
            for tap in 0..offsets.len() {
                for input in 0..inputs {
                    let panel = panel * PANEL..(panel + 1) * PANEL;
                    weights.extend(panel.map(|output| weight(output, input, tap)));
                }
            }
        }
        Some(Self { inputs, outputs, offsets, weights, bias: bias.to_vec() })
    }

    /// The furthest that a tap looks.
    pub(super) fn reach(&self) -> usize {
        self.offsets.iter().map(|offset| offset.unsigned_abs()).max().unwrap_or_default()
    }

    /// Inputs of a row.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of a row.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes all rows.
    pub(super) fn run(&self, seen: &Padded, into: Into<'_>) {
        let Into { rows, stride, phase, residual } = into;
        let fits = seen.width == self.inputs && seen.margin >= self.reach() && phase < stride;
        let made = seen.rows * stride * self.outputs;
        assert!(fits && residual.is_none_or(|rows| rows.len() >= made), "rows do not fit");
        let tiles = seen.rows.div_ceil(ROWS);
        rows.resize(made, 0.0);
        for panel in 0..self.outputs / PANEL {
            let size = self.offsets.len() * self.inputs * PANEL;
            let weights = &self.weights[panel * size..(panel + 1) * size];
            let bias = &self.bias[panel * PANEL..(panel + 1) * PANEL];
            for tile in 0..tiles {
                let first = tile * ROWS;
                let at = (first * stride + phase) * self.outputs + panel * PANEL;
                let block = Tile {
                    seen: &seen.values[(seen.margin + first) * self.inputs..],
                    before: seen.margin + first,
                    count: ROWS.min(seen.rows - first),
                    row: stride * self.outputs,
                    residual: residual.map(|rows| &rows[at..]),
                };
                // SAFETY: a decoder is made only where `is_supported`. `seen` has `margin` rows before
                // and `margin + ROWS` after its own, no tap reaches further than `margin`, `weights`
                // holds `PANEL` values for each tap and input, and `rows` and `residual` hold the rows
                // that are counted.
                unsafe { block.run(self, weights, bias, &mut rows[at..]) };
            }
        }
    }
}

/// A dozen rows of one panel.
struct Tile<'a> {
    /// Rows from the first on that the middle of a convolution looks at.
    seen: &'a [f32],
    /// How many rows lie before them.
    before: usize,
    /// How many rows to keep.
    count: usize,
    /// Values from a row made to the next, and in `residual`.
    row: usize,
    residual: Option<&'a [f32]>,
}

impl Tile<'_> {
    /// Computes the rows into `out`.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512. `seen`, and what lies `before` it, hold the rows at each offset of the
    /// dozen; `weights` is `[taps, inputs, PANEL]`, `bias` `PANEL` long; `out` and `residual` hold
    /// `count` rows.
    #[target_feature(enable = "avx512f")]
    unsafe fn run(&self, conv: &Conv, weights: &[f32], bias: &[f32], out: &mut [f32]) {
        let inputs = conv.inputs;
        debug_assert!(self.before >= conv.reach() && bias.len() == PANEL, "rows do not fit");
        // SAFETY: the bias is as long as both vectors.
        let bias =
            unsafe { [_mm512_loadu_ps(bias.as_ptr()), _mm512_loadu_ps(bias.as_ptr().add(16))] };
        let mut sums = [bias; ROWS];
        let mut weights = weights.as_ptr();
        for &offset in &conv.offsets {
            // SAFETY: the caller promises that the rows are there.
            let rows = unsafe { self.seen.as_ptr().offset(offset * inputs as isize) };
            for input in 0..inputs {
                // SAFETY: as above, and the weights too.
                unsafe {
                    let left = _mm512_loadu_ps(weights);
                    let right = _mm512_loadu_ps(weights.add(16));
                    weights = weights.add(PANEL);
                    for (row, [a, b]) in sums.iter_mut().enumerate() {
                        let value = _mm512_set1_ps(*rows.add(row * inputs + input));
                        *a = _mm512_fmadd_ps(value, left, *a);
                        *b = _mm512_fmadd_ps(value, right, *b);
                    }
                }
            }
        }
        for (n, [mut left, mut right]) in sums.into_iter().enumerate() {
            if n >= self.count {
                return;
            }
            // SAFETY: the caller promises that the rows are there.
            unsafe {
                if let Some(residual) = self.residual {
                    let residual = residual.as_ptr().add(n * self.row);
                    left = _mm512_add_ps(left, _mm512_loadu_ps(residual));
                    right = _mm512_add_ps(right, _mm512_loadu_ps(residual.add(16)));
                }
                let out = out.as_mut_ptr().add(n * self.row);
                _mm512_storeu_ps(out, left);
                _mm512_storeu_ps(out.add(16), right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_sum_over_taps_and_inputs(
            rows in 1_usize..40, dilation in 1_isize..5, panels in 1_usize..3, seed in 0_u32..100,
        ) {
            if !is_supported() {
                return Ok(());
            }
            let (inputs, outputs, taps) = (5, panels * PANEL, 3_usize);
            let number = |n: usize| ((n as u32 * 37 + seed) % 19) as f32 / 19.0 - 0.5;
            let weight = |output: usize, input: usize, tap: usize| number(output * 91 + input * 7 + tap);
            let bias: Vec<f32> = (0..outputs).map(number).collect();
            let offsets: Vec<isize> = (0..taps as isize).map(|tap| (tap - 1) * dilation).collect();
            let conv = Conv::new((outputs, inputs), offsets.clone(), &bias, weight).unwrap();
            let sound: Vec<f32> = (0..rows * inputs).map(|n| number(n * 3)).collect();
            let mut seen = Padded::default();
            seen.fill(&sound, inputs, conv.reach(), |value| value);
            let mut made = Vec::new();
            conv.run(&seen, Into::rows(&mut made));
            prop_assert_eq!(made.len(), rows * outputs);
            for row in 0..rows {
                for output in 0..outputs {
                    let mut sum = bias[output];
                    for (tap, &offset) in offsets.iter().enumerate() {
                        let Some(from) = row.checked_add_signed(offset).filter(|&r| r < rows) else { continue };
                        for input in 0..inputs {
                            sum += sound[from * inputs + input] * weight(output, input, tap);
                        }
                    }
                    prop_assert!((made[row * outputs + output] - sum).abs() < 1e-4);
                }
            }
        }
    }
}
