//! Evaluates tokens and remembers them.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{LanguageModel, Row, layer::Work, memory::Memory};

/// How much a reader has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Sequences that it keeps apart.
    pub sequences: usize,
    /// Tokens that it remembers, over all of them.
    pub tokens: usize,
}

/// Why rows were not evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// No room for them; nothing has changed.
    Full,
    /// Nobody waits for them any more; what is remembered of their places is not to be relied on.
    Abandoned,
}

/// Threads that compute: the one that began with them, and others that it may divide work with.
pub struct Threads {
    _pool: Option<ThreadPool>,
}

impl Threads {
    /// So many, this one included; the others have its priority. Where it already computes with others it goes on
    /// with those.
    pub fn with_this(threads: usize) -> Self {
        let named = |n| format!("llm-{n}");
        let pool = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(named);
        Self { _pool: pool.use_current_thread().build().ok() }
    }
}

/// Evaluates tokens with a model and remembers them.
pub struct Reader {
    model: Arc<LanguageModel>,
    memory: Memory,
    work: Work,
    numbers: Vec<f32>,
    /// Of each row its place among the sampled ones, if it is one.
    places: Vec<Option<usize>>,
    /// Of each sampled row.
    logits: Vec<f32>,
    _threads: Threads,
}

impl Reader {
    /// One that remembers nothing yet. The thread that `threads` began with is the one to use it.
    pub fn new(model: Arc<LanguageModel>, room: Room, threads: Threads) -> Self {
        let memory = Memory::new(model.sizes.kept(), room.sequences, room.tokens);
        Self {
            model,
            memory,
            work: Work::default(),
            numbers: Vec::new(),
            places: Vec::new(),
            logits: Vec::new(),
            _threads: threads,
        }
    }

    /// Evaluates the rows. `is_abandoned` is asked between layers; once it says yes the evaluation ends.
    pub fn evaluate(&mut self, rows: &[Row], is_abandoned: &dyn Fn() -> bool) -> Result<(), Halt> {
        let model = Arc::clone(&self.model);
        let places = rows.iter().map(|row| (row.sequence, row.position));
        self.memory.open(places).map_err(|_| Halt::Full)?;
        let width = model.sizes.width;
        self.numbers.resize(rows.len() * width, 0.0);
        self.work.angles.clear();
        for (row, to) in rows.iter().zip(self.numbers.chunks_exact_mut(width)) {
            model.embeddings.row(row.token as usize, to);
            model.rotation.angles(row.position, &mut self.work.angles);
        }
        for (at, layer) in model.layers.iter().enumerate() {
            if is_abandoned() {
                return Err(Halt::Abandoned);
            }
            let numbers = (rows, self.numbers.as_mut_slice());
            let kept = (&mut self.memory, &mut self.work);
            layer.run(at, &model, numbers, kept);
        }
        self.judge(&model, rows);
        Ok(())
    }

    /// Makes the logits of the sampled rows.
    fn judge(&mut self, model: &LanguageModel, rows: &[Row]) {
        let width = model.sizes.width;
        let mut sampled = 0;
        self.places.clear();
        for (at, row) in rows.iter().enumerate() {
            self.places.push(row.is_sampled.then_some(sampled));
            if row.is_sampled {
                self.numbers.copy_within(at * width..(at + 1) * width, sampled * width);
                sampled += 1;
            }
        }
        self.logits.resize(sampled * model.sizes.vocabulary, 0.0);
        if sampled > 0 {
            let numbers = &self.numbers[..sampled * width];
            let norm = (model.norm.as_slice(), model.sizes.norm_floor);
            self.work.normed_product(numbers, norm, model.output(), &mut self.logits);
        }
    }

    /// What the model thinks of each token after a row of the last evaluation; `None` when that row was not
    /// sampled.
    pub fn logits(&self, row: usize) -> Option<&[f32]> {
        let place = (*self.places.get(row)?)?;
        let words = self.model.sizes.vocabulary;
        self.logits.get(place * words..(place + 1) * words)
    }

    /// Forgets a sequence from a position on.
    pub fn trim(&mut self, sequence: usize, keep: usize) {
        self.memory.trim(sequence, keep);
    }

    /// Makes `to`, instead of what it remembers, remember the first `keep` tokens of `from`.
    pub fn copy(&mut self, from: usize, to: usize, keep: usize) {
        self.memory.copy(from, to, keep);
    }
}
