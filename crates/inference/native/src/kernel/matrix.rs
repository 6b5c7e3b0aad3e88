//! A matrix of weights as 8-bit whole numbers, and its product with rows.

#![expect(unsafe_code, reason = "threads write apart parts of one slice")]

use std::ops::Range;

use rayon::prelude::*;

use super::{
    apart::Apart,
    tile::{self, DEPTH, HEIGHT, PANELS, WIDTH},
    vector,
};

/// Products below which one thread is faster than two.
const WORTH_SHARING: usize = 1 << 21;

/// A matrix of `outputs` rows and `inputs` columns. Each row of it has a scale; what it is multiplied
/// with is brought to 8 bits row by row.
pub(crate) struct Matrix {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Panels of [`WIDTH`] outputs: of each, [`DEPTH`] inputs after [`DEPTH`] inputs.
    panels: Vec<tile::Cell>,
    /// Of each output.
    scales: Vec<f32>,
    /// 128 times the sum of each output's weights: what the rows' 128 add to each product.
    sums: Vec<i32>,
    /// Of each output; none is zero.
    bias: Vec<f32>,
}

/// What is done with a product.
#[derive(Clone, Copy)]
pub(crate) enum After {
    /// It replaces what was there.
    Put,
    /// Likewise, after the Gaussian error linear unit.
    Gelu,
    /// It is added to what was there.
    Add,
}

/// Rows brought to 8 bits; kept for the next time.
#[derive(Default)]
pub(crate) struct Scratch {
    rows: Vec<u8>,
    scales: Vec<f32>,
}

impl Matrix {
    /// Of weights `[outputs, inputs]` and a bias of `outputs` numbers, or none.
    pub(crate) fn new(weights: &[f32], bias: &[f32], inputs: usize) -> Self {
        let outputs = weights.len() / inputs;
        let (wide, deep) = (outputs.div_ceil(WIDTH), inputs.div_ceil(DEPTH));
        let mut panels = vec![tile::Cell::default(); wide * deep];
        let (mut scales, mut sums) = (vec![0.0; wide * WIDTH], vec![0; wide * WIDTH]);
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            let most = row.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            scales[output] = most / 127.0;
            for (input, weight) in row.iter().enumerate() {
                let whole = (weight * inverse).round() as i8;
                let cell = &mut panels[output / WIDTH * deep + input / DEPTH];
                cell.0[output % WIDTH * DEPTH + input % DEPTH] = whole;
                sums[output] += 128 * i32::from(whole);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(wide * WIDTH, 0.0);
        Self { inputs, outputs, panels, scales, sums, bias }
    }

    /// Bytes of a matrix of these sizes.
    pub(crate) fn bytes(outputs: usize, inputs: usize) -> usize {
        let wide = outputs.next_multiple_of(WIDTH);
        wide * (inputs.next_multiple_of(DEPTH) + 2 * size_of::<f32>() + size_of::<i32>())
    }

    /// The weights of an output, without its bias.
    pub(crate) fn row(&self, output: usize, to: &mut [f32]) {
        let deep = self.inputs.div_ceil(DEPTH);
        for (input, to) in to.iter_mut().enumerate() {
            let cell = &self.panels[output / WIDTH * deep + input / DEPTH];
            *to = f32::from(cell.0[output % WIDTH * DEPTH + input % DEPTH]) * self.scales[output];
        }
    }

    /// Multiplies rows of `inputs` numbers into rows of `outputs` numbers.
    pub(crate) fn multiply(
        &self,
        rows: &[f32],
        after: After,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let count = rows.len() / self.inputs;
        assert_eq!(out.len(), count * self.outputs, "a row of outputs for each row");
        let deep = self.inputs.next_multiple_of(DEPTH);
        scratch.rows.resize(count * deep, 0);
        scratch.scales.resize(count, 0.0);
        let quantised = scratch.rows.chunks_exact_mut(deep).zip(&mut scratch.scales);
        for (row, (to, scale)) in rows.chunks_exact(self.inputs).zip(quantised) {
            *scale = vector::quantise(row, &mut to[..self.inputs]);
        }
        let out = Apart::new(out);
        let panels = self.scales.len() / WIDTH;
        let threads = rayon::current_num_threads();
        let run = |rows, panels| self.part(scratch, rows, panels, (&out, after));
        if threads == 1 || count * self.inputs * self.outputs < WORTH_SHARING {
            run(0..count, 0..panels);
        } else if count >= 2 * HEIGHT * threads {
            parts(count, threads, HEIGHT).into_par_iter().for_each(|rows| run(rows, 0..panels));
        } else {
            parts(panels, threads, PANELS).into_par_iter().for_each(|part| run(0..count, part));
        }
    }

    /// Some rows of the product, of some panels of outputs.
    fn part(
        &self,
        given: &Scratch,
        rows: Range<usize>,
        panels: Range<usize>,
        (out, after): (&Apart<'_>, After),
    ) {
        let deep = self.inputs.div_ceil(DEPTH);
        for first in panels.clone().step_by(PANELS) {
            let wide = PANELS.min(panels.end - first);
            let columns = first * WIDTH..((first + wide) * WIDTH).min(self.outputs);
            let weights = &self.panels[first * deep..(first + wide) * deep];
            let outputs = first * WIDTH..(first + wide) * WIDTH;
            for top in rows.clone().step_by(HEIGHT) {
                let high = HEIGHT.min(rows.end - top);
                let mut product = [[0.0; PANELS * WIDTH]; HEIGHT];
                let rows = &given.rows[top * deep * DEPTH..(top + high) * deep * DEPTH];
                tile::multiply(
                    &tile::Factors {
                        rows,
                        row_scales: &given.scales[top..top + high],
                        weights,
                        weight_scales: &self.scales[outputs.clone()],
                        sums: &self.sums[outputs.clone()],
                        bias: &self.bias[outputs.clone()],
                    },
                    &mut product,
                );
                for (row, product) in (top..top + high).zip(&mut product) {
                    let product = &mut product[..columns.len()];
                    // SAFETY: parts are of other rows or columns.
                    let to = unsafe { out.part(row * self.outputs + columns.start, columns.len()) };
                    match after {
                        After::Put => to.copy_from_slice(product),
                        After::Gelu => {
                            vector::gelu(product);
                            to.copy_from_slice(product);
                        }
                        After::Add => vector::add(to, product),
                    }
                }
            }
        }
    }
}

/// About equal parts of `count`, each but the last a multiple of `step`.
fn parts(count: usize, parts: usize, step: usize) -> Vec<Range<usize>> {
    let each = count.div_ceil(parts).next_multiple_of(step);
    (0..count).step_by(each).map(|from| from..(from + each).min(count)).collect()
}
