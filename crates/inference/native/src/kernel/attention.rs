//! Attention: of all positions of a sound to each other, and of one token to what came before.

#![expect(unsafe_code, reason = "gemm takes pointers, and threads write apart parts of one slice")]

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

use super::{apart::Apart, vector};

/// Numbers of a head: the same in every Whisper.
pub(crate) const HEAD: usize = 64;
/// Queries whose weights are computed together: they stay in the cache.
pub(crate) const QUERIES: usize = 64;

/// Attends every position to every position: from rows of queries, keys and values, `3 * width`
/// numbers each, to rows of `width` numbers.
pub(crate) fn everywhere(rows: &[f32], width: usize, out: &mut [f32]) {
    let positions = rows.len() / (3 * width);
    assert!(rows.len() == positions * 3 * width && out.len() == positions * width, "whole rows");
    let out = Apart::new(out);
    let blocks: Vec<_> = (0..width / HEAD)
        .flat_map(|head| (0..positions).step_by(QUERIES).map(move |first| (head, first)))
        .collect();
    let run = |weights: &mut Vec<f32>, (head, first): (usize, usize)| {
        let count = QUERIES.min(positions - first);
        weights.resize(count * positions, 0.0);
        let part = |part: usize, row: usize| Matrix {
            at: rows[row * 3 * width + part * width + head * HEAD..].as_ptr(),
            row: (3 * width).cast_signed(),
            column: 1,
        };
        let table = Matrix { at: weights.as_ptr(), row: positions.cast_signed(), column: 1 };
        // SAFETY: `count` queries and `positions` keys and values of HEAD numbers lie in `rows`, with
        // these strides; the weights have room for a number for each query and key.
        unsafe {
            let to = (weights.as_mut_ptr(), positions);
            multiply([count, positions, HEAD], to, part(0, first), part(1, 0).turned());
        }
        for row in weights.chunks_exact_mut(positions) {
            vector::softmax(row, (HEAD as f32).sqrt().recip());
        }
        // SAFETY: as above; the block's rows and columns of `out` are its own.
        unsafe {
            let to = (out.at(first * width + head * HEAD), width);
            multiply([count, HEAD, positions], to, table, part(2, 0));
        }
    };
    if rayon::current_num_threads() == 1 {
        let mut weights = Vec::new();
        for block in blocks {
            run(&mut weights, block);
        }
    } else {
        blocks.into_par_iter().for_each_init(Vec::new, run);
    }
}

/// Where a factor begins, and how far it is from row to row and from column to column.
#[derive(Clone, Copy)]
struct Matrix {
    at: *const f32,
    row: isize,
    column: isize,
}

impl Matrix {
    fn turned(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// Multiplies `[rows, inner]` by `[inner, columns]` into rows so far apart.
///
/// # Safety
/// All three lie in memory as they say, and nobody else has the product.
unsafe fn multiply(
    [rows, columns, inner]: [usize; 3],
    (out, stride): (*mut f32, usize),
    a: Matrix,
    b: Matrix,
) {
    // SAFETY: as this function asks.
    unsafe {
        gemm(
            rows,
            columns,
            inner,
            out,
            1,
            stride.cast_signed(),
            false,
            a.at,
            a.column,
            a.row,
            b.at,
            b.column,
            b.row,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Attends a query of `width` numbers to keys and values, rows of `width` numbers each.
pub(crate) fn back(
    query: &[f32],
    keys: &[f32],
    values: &[f32],
    weights: &mut Vec<f32>,
    out: &mut [f32],
) {
    let width = query.len();
    weights.resize(keys.len() / width, 0.0);
    for head in (0..width).step_by(HEAD) {
        vector::products(&query[head..head + HEAD], &keys[head..], width, weights);
        vector::softmax(weights, (HEAD as f32).sqrt().recip());
        vector::mix(weights, &values[head..], width, &mut out[head..head + HEAD]);
    }
}
