//! A layer: attention, then a gated unit (Shazeer, "GLU Variants Improve Transformer", 2020).

use rayon::prelude::*;

use super::{
    LanguageModel, LanguageSizes, Row, attention,
    memory::Memory,
    norm,
    rotation::{Angles, Rotation},
};
use crate::kernel::{
    blocks::{After, Blocks, Rows, Wanted, multiply},
    vector,
};

/// Rows of the gated unit that one thread does sooner than two.
const FEW_ROWS: usize = 4;

/// A layer's weights.
pub(super) struct Layer {
    pub(super) norm: Vec<f32>,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    /// Of the heads' queries and keys, in some models.
    pub(super) query_norm: Option<Vec<f32>>,
    pub(super) key_norm: Option<Vec<f32>>,
    pub(super) out: Blocks,
    pub(super) unit: Unit,
}

/// A matrix, and what is added to its products.
pub(super) struct Linear {
    pub(super) weights: Blocks,
    pub(super) bias: Option<Vec<f32>>,
}

/// The gated unit's weights.
pub(super) struct Unit {
    pub(super) norm: Vec<f32>,
    pub(super) gate: Blocks,
    pub(super) up: Blocks,
    pub(super) down: Blocks,
}

/// Working memory, kept from layer to layer.
#[derive(Default)]
pub(super) struct Work {
    rows: Rows,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// Of each row's position.
    pub(super) angles: Angles,
}

impl Work {
    /// Multiplies rows, normed, by a matrix.
    pub(super) fn normed_product(
        &mut self,
        rows: &[f32],
        (gain, floor): (&[f32], f32),
        matrix: &Blocks,
        out: &mut [f32],
    ) {
        norm(rows, gain, floor, &mut self.normed);
        self.rows.take(&self.normed, gain.len());
        multiply(&self.rows, &mut [Wanted { matrix, out, after: After::Put }]);
    }
}

impl Linear {
    fn wanted<'a>(&'a self, rows: usize, out: &'a mut Vec<f32>) -> Wanted<'a> {
        out.resize(rows * self.weights.outputs, 0.0);
        Wanted { matrix: &self.weights, out, after: After::Put }
    }

    fn add_bias(&self, out: &mut [f32]) {
        if let Some(bias) = &self.bias {
            out.chunks_exact_mut(bias.len()).for_each(|row| vector::add(row, bias));
        }
    }
}

impl Layer {
    /// Adds what it makes of the rows, `[rows, width]`, to them.
    pub(super) fn run(
        &self,
        at: usize,
        LanguageModel { sizes, rotation, .. }: &LanguageModel,
        (rows, numbers): (&[Row], &mut [f32]),
        (memory, work): (&mut Memory, &mut Work),
    ) {
        norm(numbers, &self.norm, sizes.norm_floor, &mut work.normed);
        work.rows.take(&work.normed, sizes.width);
        multiply(
            &work.rows,
            &mut [
                self.query.wanted(rows.len(), &mut work.queries),
                self.key.wanted(rows.len(), &mut work.keys),
                self.value.wanted(rows.len(), &mut work.values),
            ],
        );
        self.query.add_bias(&mut work.queries);
        self.key.add_bias(&mut work.keys);
        self.value.add_bias(&mut work.values);
        self.place(sizes, rotation, work);
        let own = sizes.kv_heads * sizes.head;
        let given = work.keys.chunks_exact(own).zip(work.values.chunks_exact(own));
        for (row, (keys, values)) in rows.iter().zip(given) {
            memory.write(at, (row.sequence, row.position), keys, values);
        }
        work.mixed.resize(work.queries.len(), 0.0);
        attention::attend(memory, at, rows, &work.queries, &mut work.mixed);
        work.rows.take(&work.mixed, self.out.inputs);
        let added = Wanted { matrix: &self.out, out: numbers, after: After::Add };
        multiply(&work.rows, &mut [added]);
        self.unit.run(sizes, numbers, work);
    }

    /// Norms the heads of queries and keys where the model does, and turns them by their positions.
    fn place(&self, sizes: &LanguageSizes, rotation: &Rotation, work: &mut Work) {
        let Work { queries, keys, normed, angles, .. } = work;
        for (heads, gain) in [(&mut *queries, &self.query_norm), (&mut *keys, &self.key_norm)] {
            if let Some(gain) = gain {
                norm(heads, gain, sizes.norm_floor, normed);
                heads.copy_from_slice(normed);
            }
        }
        for (heads, count) in [(queries, sizes.heads), (keys, sizes.kv_heads)] {
            let angles = angles.chunks_exact(rotation.count());
            for (heads, angles) in heads.chunks_exact_mut(count * sizes.head).zip(angles) {
                rotation.turn(heads, sizes.head, angles);
            }
        }
    }
}

impl Unit {
    fn run(&self, sizes: &LanguageSizes, numbers: &mut [f32], work: &mut Work) {
        let Work { rows, normed, gate, up, .. } = work;
        norm(numbers, &self.norm, sizes.norm_floor, normed);
        rows.take(normed, sizes.width);
        let count = numbers.len() / sizes.width;
        gate.resize(count * sizes.hidden, 0.0);
        up.resize(count * sizes.hidden, 0.0);
        multiply(
            rows,
            &mut [
                Wanted { matrix: &self.gate, out: gate, after: After::Put },
                Wanted { matrix: &self.up, out: up, after: After::Put },
            ],
        );
        if count < FEW_ROWS {
            vector::gate(gate, up);
        } else {
            let rows = gate.par_chunks_mut(sizes.hidden).zip(up.par_chunks(sizes.hidden));
            rows.for_each(|(gate, up)| vector::gate(gate, up));
        }
        rows.take(gate, sizes.hidden);
        multiply(rows, &mut [Wanted { matrix: &self.down, out: numbers, after: After::Add }]);
    }
}
