//! The windows of many calls side by side, as the network takes them.

use trunkline_inference::SlotId;

/// Samples of the window before that each window is seen with.
pub(crate) const CONTEXT: usize = 64;
/// Samples that each window brings.
pub(crate) const WINDOW: usize = 512;
/// A row of the network's input: context, then window.
pub(crate) const ROW: usize = CONTEXT + WINDOW;
/// Width of each of the two layers of a call's recurrent state.
pub(crate) const STATE: usize = 128;

/// One run of the network. All memory is taken once, for the most rows there can be.
pub(crate) struct Batch {
    slots: Vec<SlotId>,
    /// `[rows, ROW]`.
    sound: Vec<f32>,
    /// Row by row, `[rows, 2, STATE]`: how the calls keep it.
    state: Vec<f32>,
    /// `[2, rows, STATE]`: how the network takes it.
    layers: Vec<f32>,
    probabilities: Vec<f32>,
}

impl Batch {
    /// Makes room for `most` rows.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            slots: Vec::with_capacity(most),
            sound: Vec::with_capacity(most * ROW),
            state: Vec::with_capacity(most * 2 * STATE),
            layers: vec![0.0; most * 2 * STATE],
            probabilities: Vec::with_capacity(most),
        }
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.sound.clear();
        self.state.clear();
        self.probabilities.clear();
    }

    /// Adds a row: `ROW` samples of `slot` and its state, `[2, STATE]`.
    pub(crate) fn put(&mut self, slot: SlotId, sound: &[f32], state: &[f32; 2 * STATE]) {
        self.slots.push(slot);
        self.sound.extend_from_slice(sound);
        self.state.extend_from_slice(state);
    }

    /// Lays the calls' states out layer by layer; to be called after the last row.
    pub(crate) fn gather(&mut self) {
        let rows = self.rows();
        for (index, layer) in self.state.chunks_exact(STATE).enumerate() {
            let at = ((index % 2) * rows + index / 2) * STATE;
            self.layers[at..at + STATE].copy_from_slice(layer);
        }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.slots.len()
    }

    /// The slot of each row.
    pub(crate) fn slots(&self) -> &[SlotId] {
        &self.slots
    }

    /// The samples, `[rows, ROW]`.
    pub(crate) fn sound(&self) -> &[f32] {
        &self.sound
    }

    /// The states, `[2, rows, STATE]`.
    pub(crate) fn state(&self) -> &[f32] {
        &self.layers[..self.rows() * 2 * STATE]
    }

    /// Takes what the network made: `[rows]` probabilities and `[2, rows, STATE]` states.
    pub(crate) fn take_results(&mut self, probabilities: &[f32], layers: &[f32]) {
        self.probabilities.clear();
        self.probabilities.extend_from_slice(probabilities);
        let rows = self.rows();
        for (index, row) in layers.chunks_exact(STATE).enumerate() {
            let at = ((index % rows) * 2 + index / rows) * STATE;
            self.state[at..at + STATE].copy_from_slice(row);
        }
    }

    /// A row's probability and new state, once the network has run.
    pub(crate) fn result(&self, row: usize) -> (f32, &[f32]) {
        (self.probabilities[row], &self.state[row * 2 * STATE..(row + 1) * 2 * STATE])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_of(slot: usize) -> [f32; 2 * STATE] {
        std::array::from_fn(|i| (slot * 1000 + i) as f32)
    }

    #[test]
    fn states_lie_layer_by_layer_for_the_network_and_come_back_to_their_rows() {
        let mut batch = Batch::new(4);
        for slot in [7, 2, 5] {
            batch.put(slot, &[0.0; ROW], &state_of(slot));
        }
        batch.gather();
        assert_eq!(batch.state()[0], 7000.0);
        assert_eq!(batch.state()[STATE], 2000.0);
        assert_eq!(batch.state()[3 * STATE], 7128.0);
        let layers: Vec<f32> = batch.state().iter().map(|x| x + 0.5).collect();
        batch.take_results(&[0.1, 0.2, 0.3], &layers);
        for (row, slot) in [7, 2, 5].into_iter().enumerate() {
            let expected: Vec<f32> = state_of(slot).iter().map(|x| x + 0.5).collect();
            assert_eq!(batch.result(row).1, expected);
        }
        assert_eq!(batch.result(1).0, 0.2);
    }

    #[test]
    fn a_cleared_batch_keeps_nothing_of_the_last_run() {
        let mut batch = Batch::new(2);
        batch.put(0, &[1.0; ROW], &[1.0; 2 * STATE]);
        batch.put(1, &[1.0; ROW], &[1.0; 2 * STATE]);
        batch.clear();
        batch.put(1, &[2.0; ROW], &[3.0; 2 * STATE]);
        batch.gather();
        assert_eq!((batch.rows(), batch.slots()), (1, &[1][..]));
        assert!(batch.sound().iter().all(|&x| x == 2.0));
        assert!(batch.state().iter().all(|&x| x == 3.0));
    }
}
