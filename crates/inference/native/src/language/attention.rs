//! Attention of tokens to what their sequence remembers, several query heads to each head of keys and
//! values (Ainslie et al., "GQA", EMNLP 2023).

#![expect(unsafe_code, reason = "threads write apart parts of one slice")]

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::{
    Row,
    memory::{Kept, Memory, PAGE, Place},
};
use crate::kernel::{apart::Apart, vector};

/// Rows of a sequence that are taken together, a page brought to f32 once for them: at least so many, so that
/// it is worth it, and at most so many, so that their weights stay in the cache.
const FEWEST: usize = 8;
const MOST: usize = 32;
/// Tasks for each thread, where there are rows for as many.
const TASKS: usize = 2;
/// Query heads whose products are made together.
const HEADS: usize = 4;
/// Numbers of a value that are summed together, where heads are as long.
const WIDE: usize = 64;
const NARROW: usize = 16;

/// Attends each row's queries, `[rows, heads * head]`, to its sequence up to its own position.
pub(crate) fn attend(
    memory: &Memory,
    layer: usize,
    rows: &[Row],
    queries: &[f32],
    out: &mut [f32],
) {
    let Kept { heads, head, .. } = memory.kept();
    let width = queries.len() / rows.len();
    assert!(out.len() == queries.len() && width.is_multiple_of(heads * head), "whole heads");
    let out = Apart::new(out);
    let most = (rows.len() * heads / (rayon::current_num_threads() * TASKS)).clamp(FEWEST, MOST);
    let tasks: Vec<_> = together(rows, most)
        .flat_map(|rows| (0..heads).map(move |head| (rows.clone(), head)))
        .collect();
    let run = |scratch: &mut Scratch, (span, kv_head): (Range<usize>, usize)| {
        let at = Place { sequence: rows[span.start].sequence, layer, head: kv_head };
        let of_head = width / heads;
        let task = Task {
            at,
            queries: &queries[span.start * width + kv_head * of_head..],
            stride: width,
            of_head,
        };
        // SAFETY: tasks are of other rows or heads.
        let to = |row: usize| unsafe {
            out.part((span.start + row) * width + kv_head * of_head, of_head)
        };
        task.run(memory, &rows[span.clone()], scratch, to);
    };
    if rayon::current_num_threads() == 1 || tasks.len() == 1 {
        let mut scratch = Scratch::default();
        for task in tasks {
            run(&mut scratch, task);
        }
    } else {
        tasks.into_par_iter().with_max_len(1).for_each_init(Scratch::default, run);
    }
}

/// Rows of the same sequence, so many at a time.
fn together(rows: &[Row], most: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let first = rows.get(from)?;
        let same = rows[from..].iter().take_while(|row| row.sequence == first.sequence);
        let span = from..from + same.take(most).count();
        from = span.end;
        Some(span)
    })
}

#[derive(Default)]
struct Scratch {
    /// A page's keys or values of a head.
    page: Vec<f32>,
    /// `[rows, query heads, positions]`.
    weights: Vec<f32>,
}

/// Some rows' queries to one head of keys and values.
struct Task<'a> {
    at: Place,
    /// From the first row's on.
    queries: &'a [f32],
    /// Numbers from row to row.
    stride: usize,
    /// Numbers of the queries of a row.
    of_head: usize,
}

impl Task<'_> {
    fn run<'o>(
        &self,
        memory: &Memory,
        rows: &[Row],
        scratch: &mut Scratch,
        to: impl Fn(usize) -> &'o mut [f32],
    ) {
        let head = memory.kept().head;
        let heads = self.of_head / head;
        let pages = rows.iter().map(|row| row.position / PAGE + 1).max().unwrap_or(0);
        let long = pages * PAGE;
        let Scratch { page, weights } = scratch;
        page.resize(head * PAGE, 0.0);
        weights.resize(rows.len() * heads * long, 0.0);
        let of_row = |row: usize| row * heads * long..(row + 1) * heads * long;
        let reaches = |row: &Row, at: usize| row.position / PAGE >= at;
        for at in 0..pages {
            memory.keys(self.at, at, page);
            for (n, _) in rows.iter().enumerate().filter(|(_, row)| reaches(row, at)) {
                let queries = &self.queries[n * self.stride..][..self.of_head];
                scores(queries, head, page, &mut weights[of_row(n)][at * PAGE..], long);
            }
        }
        let scale = (head as f32).sqrt().recip();
        for (n, row) in rows.iter().enumerate() {
            for weights in weights[of_row(n)].chunks_exact_mut(long) {
                let (seen, rest) = weights.split_at_mut(row.position + 1);
                vector::softmax(seen, scale);
                rest.fill(0.0);
            }
            to(n).fill(0.0);
        }
        for at in 0..pages {
            memory.values(self.at, at, page);
            for (n, _) in rows.iter().enumerate().filter(|(_, row)| reaches(row, at)) {
                mix(&weights[of_row(n)][at * PAGE..], long, head, page, to(n));
            }
        }
    }
}

/// The products of some queries with a page's keys, `[head, PAGE]`; each query's go `stride` after those of
/// the one before.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn scores(queries: &[f32], head: usize, keys: &[f32], to: &mut [f32], stride: usize) {
    let mut at = 0;
    for some in queries.chunks(HEADS * head) {
        match some.len() / head {
            1 => scores_of::<1>(some, head, keys, &mut to[at..], stride),
            2 => scores_of::<2>(some, head, keys, &mut to[at..], stride),
            3 => scores_of::<3>(some, head, keys, &mut to[at..], stride),
            _ => scores_of::<HEADS>(some, head, keys, &mut to[at..], stride),
        }
        at += HEADS * stride;
    }
}

#[expect(clippy::inline_always, reason = "it is compiled for the processor of its caller")]
#[inline(always)]
fn scores_of<const N: usize>(
    queries: &[f32],
    head: usize,
    keys: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0.0_f32; PAGE]; N];
    for (n, key) in keys.as_chunks::<PAGE>().0.iter().enumerate() {
        for (at, sums) in sums.iter_mut().enumerate() {
            let query = queries[at * head + n];
            for (sum, &key) in sums.iter_mut().zip(key) {
                *sum = query.mul_add(key, *sum);
            }
        }
    }
    for (at, sums) in sums.iter().enumerate() {
        to[at * stride..at * stride + PAGE].copy_from_slice(sums);
    }
}

/// Adds a page's values, `[PAGE, head]`, each times its weight; each query's weights come `stride` after those
/// of the one before.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn mix(weights: &[f32], stride: usize, head: usize, values: &[f32], to: &mut [f32]) {
    for (at, to) in to.chunks_exact_mut(head).enumerate() {
        let weights = &weights[at * stride..at * stride + PAGE];
        if head.is_multiple_of(WIDE) {
            mix_of::<WIDE>(weights, head, values, to);
        } else {
            mix_of::<NARROW>(weights, head, values, to);
        }
    }
}

#[expect(clippy::inline_always, reason = "it is compiled for the processor of its caller")]
#[inline(always)]
fn mix_of<const N: usize>(weights: &[f32], head: usize, values: &[f32], to: &mut [f32]) {
    for (from, to) in to.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        let mut sums = *to;
        for (&weight, value) in weights.iter().zip(values.chunks_exact(head)) {
            let value = &value[from * N..from * N + N];
            for (sum, &value) in sums.iter_mut().zip(value) {
                *sum = weight.mul_add(value, *sum);
            }
        }
        *to = sums;
    }
}
