//! What the engine asks of a language model: tokens in, what it thinks of the next one out, over
//! several sequences whose evaluated tokens the model remembers.

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;

use crate::vocabulary::Vocabulary;

/// A token to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) token: LlamaToken,
    /// Its place in the sequence, from 0: all before it have been evaluated.
    pub(crate) position: usize,
    pub(crate) sequence: usize,
    /// Whether the token after it will be sampled.
    pub(crate) is_sampled: bool,
}

/// Why rows were not evaluated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EvaluateError {
    /// No room for them; nothing has changed.
    Full,
    /// Nobody waits for them any more; nothing has changed.
    Abandoned,
    /// The sequences concerned are no longer what they were.
    Failed(String),
}

/// How much is evaluated at once and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) slots: usize,
    pub(crate) sequences: usize,
    pub(crate) step_tokens: usize,
    pub(crate) context_tokens: usize,
    /// Whether the model rests while nobody waits for the next piece of any reply: whoever reads it
    /// uses the same cores.
    pub(crate) on_demand: bool,
}

/// A language model and what it remembers. Sequences are numbered from 0.
pub(crate) trait Network {
    /// Its tokens.
    fn vocabulary(&self) -> &Arc<dyn Vocabulary>;
    /// Whether a sequence can be cut anywhere; false for models with a running state.
    fn can_trim(&self) -> bool;
    /// Forgets all of a sequence from `keep` on. Says how much is left: less when the model cannot.
    fn trim(&mut self, sequence: usize, keep: usize) -> usize;
    /// Makes `to`, which is empty, remember the first `keep` tokens of `from`.
    fn copy(&mut self, from: usize, to: usize, keep: usize);
    /// Evaluates the rows in one pass, unless `is_abandoned` says on the way that nobody waits for
    /// any of them.
    fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError>;
    /// What the model thinks of each token after row number `row` of the last evaluation.
    fn logits(&mut self, row: usize) -> &[f32];
}
