//! A matrix whose weights are whole numbers of 4 to 8 bits with a scale for every few of them, as GGUF
//! files have them, and its product with rows.
//!
//! Each number of a product is summed in the same order whatever else is multiplied in the same call:
//! what becomes of a row does not depend on the rows beside it.

#![expect(unsafe_code, reason = "threads write apart parts of one slice")]

mod pack;
mod rows;
mod tile;

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use self::tile::{Factors, HEIGHT, Product};
pub(crate) use self::{pack::Kind, rows::Rows, tile::is_fast};
use super::apart::Apart;

/// Outputs of a panel.
pub(crate) const WIDTH: usize = 16;
/// Bytes that are loaded at once.
const LINE: usize = 64;
/// Inputs that one instruction multiplies and adds up.
const DEPTH: usize = 4;
/// Whole numbers multiplied below which one thread is faster than two.
const WORTH_SHARING: usize = 1 << 18;
/// Parts of a product for each thread, so that one that is held up does not hold up the rest.
const PARTS_OF_A_THREAD: usize = 4;

/// Bytes as they are loaded.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u8; LINE]);

/// A number of each output of a panel.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Halves([f16; WIDTH]);

/// A matrix of `outputs` rows and `inputs` columns.
pub(crate) struct Blocks {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    kind: Kind,
    /// Panels of [`WIDTH`] outputs: of each, block after block of inputs.
    numbers: Vec<Line>,
    /// Of each panel's blocks.
    scales: Vec<Halves>,
    /// What a whole number 0 stands for, of each panel's blocks; empty where the kind says it.
    floors: Vec<Halves>,
}

/// One of the products of the same rows.
pub(crate) struct Wanted<'a> {
    pub(crate) matrix: &'a Blocks,
    /// `[rows, outputs]`.
    pub(crate) out: &'a mut [f32],
    pub(crate) after: After,
}

/// What is done with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It replaces what was there.
    Put,
    /// It is added to what was there.
    Add,
}

impl Blocks {
    /// Bytes of a matrix of these sizes.
    pub(crate) fn bytes(kind: Kind, outputs: usize, inputs: usize) -> usize {
        let blocks = outputs.div_ceil(WIDTH) * (inputs / kind.block());
        let halves = if kind.has_floors() { 2 } else { 1 };
        blocks * (kind.lines() * LINE + halves * size_of::<Halves>())
    }

    /// The weights of an output.
    pub(crate) fn row(&self, output: usize, to: &mut [f32]) {
        let deep = self.inputs / self.kind.block();
        for (at, to) in to.chunks_exact_mut(self.kind.block()).enumerate() {
            let block = output / WIDTH * deep + at;
            let place = output % WIDTH;
            let scale = self.scales[block].0[place].to_f32();
            let floor = self.floor(block, place, scale);
            for (input, to) in to.iter_mut().enumerate() {
                let whole = self.kind.whole(self.lines(block), place, input);
                *to = f32::from(whole).mul_add(scale, floor);
            }
        }
    }

    fn lines(&self, block: usize) -> &[Line] {
        &self.numbers[block * self.kind.lines()..][..self.kind.lines()]
    }

    fn floor(&self, block: usize, place: usize, scale: f32) -> f32 {
        match self.floors.get(block) {
            Some(floors) => floors.0[place].to_f32(),
            None => -self.kind.zero() * scale,
        }
    }

    /// A panel's product with rows from `top` on.
    fn panel(&self, rows: &Rows, panel: usize, top: usize, product: &mut Product) -> usize {
        let high = HEIGHT.min(rows.count - top);
        let deep = self.inputs / self.kind.block();
        let blocks = panel * deep..(panel + 1) * deep;
        let lines = blocks.start * self.kind.lines()..blocks.end * self.kind.lines();
        let factors = Factors {
            kind: self.kind,
            rows: rows.part(top..top + high, self.kind.block()),
            numbers: &self.numbers[lines],
            scales: &self.scales[blocks.clone()],
            floors: if self.floors.is_empty() { &[] } else { &self.floors[blocks] },
        };
        tile::multiply(&factors, product);
        high
    }
}

/// Multiplies rows by matrices of as many inputs.
pub(crate) fn multiply(rows: &Rows, wanted: &mut [Wanted<'_>]) {
    let threads = rayon::current_num_threads();
    let products: Vec<_> = wanted.iter_mut().map(|wanted| Whole::of(wanted, rows)).collect();
    let panels: usize = products.iter().map(|product| product.matrix.panels()).sum();
    let each = panels.div_ceil(threads * PARTS_OF_A_THREAD).max(1);
    let mut parts = Vec::with_capacity(threads * PARTS_OF_A_THREAD + products.len());
    for product in &products {
        let all = product.matrix.panels();
        parts.extend((0..all).step_by(each).map(|from| (product, from..(from + each).min(all))));
    }
    let run = |(product, panels): (&Whole<'_>, Range<usize>)| product.part(rows, panels);
    if threads == 1 || panels * WIDTH * rows.inputs * rows.count < WORTH_SHARING {
        for part in parts {
            run(part);
        }
    } else {
        parts.into_par_iter().with_max_len(1).for_each(run);
    }
}

impl Blocks {
    fn panels(&self) -> usize {
        self.outputs.div_ceil(WIDTH)
    }
}

/// A product that threads make parts of.
struct Whole<'a> {
    matrix: &'a Blocks,
    out: Apart<'a>,
    after: After,
}

impl<'a> Whole<'a> {
    fn of(wanted: &'a mut Wanted<'_>, rows: &Rows) -> Self {
        assert_eq!(wanted.matrix.inputs, rows.inputs, "rows of as many numbers");
        assert_eq!(wanted.out.len(), rows.count * wanted.matrix.outputs, "room for each row");
        Self { matrix: wanted.matrix, out: Apart::new(wanted.out), after: wanted.after }
    }

    /// Some panels of it.
    fn part(&self, rows: &Rows, panels: Range<usize>) {
        let outputs = self.matrix.outputs;
        let mut product = Product::default();
        for panel in panels {
            let columns = panel * WIDTH..((panel + 1) * WIDTH).min(outputs);
            for top in (0..rows.count).step_by(HEIGHT) {
                let high = self.matrix.panel(rows, panel, top, &mut product);
                for (row, product) in (top..top + high).zip(&product) {
                    let product = &product[..columns.len()];
                    // SAFETY: parts are of other panels.
                    let to = unsafe { self.out.part(row * outputs + columns.start, columns.len()) };
                    match self.after {
                        After::Put => to.copy_from_slice(product),
                        After::Add => {
                            for (to, x) in to.iter_mut().zip(product) {
                                *to += x;
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
