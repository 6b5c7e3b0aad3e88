//! llama.cpp's evaluation of tokens, with two things that its safe wrapper lacks: another number of
//! threads from step to step, and an evaluation that can be abandoned half-way.
#![expect(unsafe_code, reason = "llama.cpp is called directly")]

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
    slice,
    sync::Arc,
};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use crate::network::{EvaluateError, Row};

// What llama_decode answers.
const DONE: i32 = 0;
const NO_ROOM: i32 = 1;
const ABANDONED: i32 = 2;

/// How much an evaluator has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Tokens remembered, over all sequences.
    pub(crate) tokens: u32,
    pub(crate) sequences: u32,
    /// Rows of one step.
    pub(crate) rows: u32,
}

/// Evaluates tokens with a model and remembers them.
pub(crate) struct Evaluator {
    raw: NonNull<sys::llama_context>,
    rows: RawRows,
    vocabulary: usize,
    // `raw` points into it.
    _model: Arc<LlamaModel>,
}

impl Evaluator {
    /// An evaluator that remembers nothing yet; `None` when llama.cpp refuses, which it logs.
    ///
    /// Takes the only reference to the model: llama.cpp changes it while it makes the context.
    pub(crate) fn new(model: LlamaModel, room: Room) -> Option<(Self, Arc<LlamaModel>)> {
        let vocabulary = usize::try_from(model.n_vocab()).ok()?;
        let model = Arc::new(model);
        // SAFETY: the function only fills a struct.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = room.tokens;
        params.n_seq_max = room.sequences;
        params.n_batch = room.rows;
        params.n_ubatch = room.rows;
        // One pool of memory for all sequences, so that a shared beginning is held once; and all of
        // it for models with a sliding window, so that a sequence can be cut anywhere.
        params.kv_unified = true;
        params.swa_full = true;
        params.no_perf = true;
        // SAFETY: the model is loaded, nobody else has it yet, and it outlives the context.
        let raw = unsafe { sys::llama_init_from_model(raw_model(&model), params) };
        let rows = RawRows::new(usize::try_from(room.rows).ok()?);
        let evaluator =
            Self { raw: NonNull::new(raw)?, rows, vocabulary, _model: Arc::clone(&model) };
        Some((evaluator, model))
    }

    /// How many threads the next evaluations take.
    pub(crate) fn use_threads(&mut self, threads: i32) {
        // SAFETY: the context is alive and nothing else uses it.
        unsafe { sys::llama_set_n_threads(self.raw.as_ptr(), threads, threads) };
    }

    /// Evaluates the rows. `is_abandoned` is asked between operations, from this thread; once it says
    /// yes the evaluation ends and nothing has changed.
    pub(crate) fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        let batch = self.rows.fill(rows);
        let mut question = is_abandoned;
        let question: *mut &dyn Fn() -> bool = &raw mut question;
        // SAFETY: the context is alive and used by this thread only; the batch points to arrays of
        // its length; the callback's pointer is to a local that lives until it is unset.
        let answer = unsafe {
            sys::llama_set_abort_callback(self.raw.as_ptr(), Some(ask), question.cast());
            let answer = sys::llama_decode(self.raw.as_ptr(), batch);
            sys::llama_set_abort_callback(self.raw.as_ptr(), None, ptr::null_mut());
            answer
        };
        match answer {
            DONE => Ok(()),
            NO_ROOM => Err(EvaluateError::Full),
            ABANDONED => Err(EvaluateError::Abandoned),
            code => Err(EvaluateError::Failed(format!("llama_decode says {code}"))),
        }
    }

    /// What the model thinks of each token after a row of the last evaluation; `None` when that row
    /// was not to be sampled.
    pub(crate) fn logits(&mut self, row: i32) -> Option<&[f32]> {
        // SAFETY: the context is alive; llama.cpp checks the row and answers null for a wrong one.
        let logits = unsafe { sys::llama_get_logits_ith(self.raw.as_ptr(), row) };
        // SAFETY: a row of logits has one number for each token of the vocabulary, and stays until
        // the next evaluation, which needs `&mut self`.
        (!logits.is_null()).then(|| unsafe { slice::from_raw_parts(logits, self.vocabulary) })
    }

    /// Forgets a sequence from a position on. False when the model cannot, and nothing is forgotten.
    pub(crate) fn forget(&mut self, sequence: i32, from: i32) -> bool {
        // SAFETY: the context is alive, its memory part of it, and llama.cpp checks the numbers.
        unsafe {
            sys::llama_memory_seq_rm(sys::llama_get_memory(self.raw.as_ptr()), sequence, from, -1)
        }
    }

    /// Makes one sequence share the first tokens of another.
    pub(crate) fn share(&mut self, from: i32, to: i32, tokens: i32) {
        // SAFETY: as in `forget`.
        unsafe {
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            sys::llama_memory_seq_cp(memory, from, to, 0, tokens);
        }
    }
}

impl Drop for Evaluator {
    fn drop(&mut self) {
        // SAFETY: the context was made by `new`, is freed once, and before its model.
        unsafe { sys::llama_free(self.raw.as_ptr()) };
    }
}

fn raw_model(model: &LlamaModel) -> *mut sys::llama_model {
    const { assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>()) };
    // SAFETY: `LlamaModel` is declared transparent over llama.cpp's pointer (its version is pinned).
    unsafe { ptr::from_ref(model).cast::<*mut sys::llama_model>().read() }
}

unsafe extern "C" fn ask(question: *mut c_void) -> bool {
    // SAFETY: `evaluate` passes a pointer to a `&dyn Fn`, which is alive while this may be called.
    let is_abandoned = unsafe { *question.cast::<&dyn Fn() -> bool>() };
    is_abandoned()
}

/// Rows as llama.cpp wants them: an array for each column.
struct RawRows {
    tokens: Vec<sys::llama_token>,
    positions: Vec<sys::llama_pos>,
    sequence_counts: Vec<i32>,
    sequences: Vec<sys::llama_seq_id>,
    sequence_lists: Vec<*mut sys::llama_seq_id>,
    is_sampled: Vec<i8>,
}

impl RawRows {
    fn new(rows: usize) -> Self {
        Self {
            tokens: Vec::with_capacity(rows),
            positions: Vec::with_capacity(rows),
            sequence_counts: Vec::with_capacity(rows),
            sequences: Vec::with_capacity(rows),
            sequence_lists: Vec::with_capacity(rows),
            is_sampled: Vec::with_capacity(rows),
        }
    }

    /// A batch that points into these arrays: valid until they are filled again.
    fn fill(&mut self, rows: &[Row]) -> sys::llama_batch {
        fn set<T>(column: &mut Vec<T>, values: impl Iterator<Item = T>) -> *mut T {
            column.clear();
            column.extend(values);
            column.as_mut_ptr()
        }
        let sequences = set(&mut self.sequences, rows.iter().map(|r| signed(r.sequence)));
        sys::llama_batch {
            n_tokens: signed(rows.len()),
            token: set(&mut self.tokens, rows.iter().map(|r| r.token.0)),
            embd: ptr::null_mut(),
            pos: set(&mut self.positions, rows.iter().map(|r| signed(r.position))),
            n_seq_id: set(&mut self.sequence_counts, rows.iter().map(|_| 1)),
            seq_id: set(
                &mut self.sequence_lists,
                (0..rows.len()).map(|row| sequences.wrapping_add(row)),
            ),
            logits: set(&mut self.is_sampled, rows.iter().map(|r| i8::from(r.is_sampled))),
        }
    }
}

/// A count as llama.cpp takes it.
pub(crate) fn signed(n: usize) -> i32 {
    i32::try_from(n).expect("counts are below the context's length")
}

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::*;

    #[test]
    fn rows_become_columns() {
        let mut raw = RawRows::new(2);
        let row = |token, position, sequence, is_sampled| Row {
            token: LlamaToken(token),
            position,
            sequence,
            is_sampled,
        };
        let batch = raw.fill(&[row(7, 3, 0, false), row(8, 0, 5, true)]);
        assert_eq!((batch.n_tokens, batch.embd), (2, ptr::null_mut()));
        assert_eq!((raw.tokens.as_slice(), raw.positions.as_slice()), (&[7, 8][..], &[3, 0][..]));
        assert_eq!(
            (raw.sequences.as_slice(), raw.is_sampled.as_slice()),
            (&[0, 5][..], &[0, 1][..])
        );
        assert_eq!(raw.sequence_counts, [1, 1]);
        // SAFETY: the lists point into `raw.sequences`, which is alive and unchanged.
        let listed = raw.sequence_lists.iter().map(|&list| unsafe { *list });
        assert_eq!(listed.collect::<Vec<_>>(), [0, 5]);
    }
}
