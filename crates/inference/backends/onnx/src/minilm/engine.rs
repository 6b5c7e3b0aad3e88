//! The lane engine of embeddings: texts of all requests share runs, bounded by tokens.

use std::{collections::VecDeque, task::Context};

use trunkline_inference::{Embedded, Engine, ModelError, Progress, SlotId, Slots};

use super::ENGINE;

/// Requests at work at once; more wait in the lane's queue.
const SLOTS: usize = 32;
/// Word pieces in one run, those that fill rows up included: about 90 ms on one core. A run cannot be
/// stopped, and larger ones are no faster.
const RUN_PIECES: usize = 256;
/// Bytes of text that are taken apart in one step: some milliseconds.
const STEP_BYTES: usize = 32 << 10;

/// What reads and embeds: the model, or a test's stand-in.
pub(crate) trait Network {
    /// Takes a text apart into word pieces, those around it included.
    fn read(&self, text: &str) -> Result<Vec<i64>, ModelError>;
    /// The most word pieces a text may have.
    fn limit(&self) -> usize;
    /// The vector of each row of word pieces, of length 1.
    fn run(&mut self, rows: &[&[i64]]) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// A request at work.
struct Work {
    /// Texts not taken apart yet, in order.
    unread: VecDeque<String>,
    /// What was taken apart and waits for a run: its number, its word pieces.
    rows: VecDeque<(usize, Vec<i64>)>,
    left: usize,
    done: Embedded,
}

impl Work {
    fn new(texts: Vec<String>) -> Self {
        let vectors = vec![Vec::new(); texts.len()];
        let left = texts.len();
        let done = Embedded { vectors, tokens: 0 };
        Self { unread: texts.into(), rows: VecDeque::new(), left, done }
    }

    /// Takes texts apart for the time of a step. Once all are, similar lengths stand together.
    fn read(&mut self, network: &impl Network) -> Result<(), ModelError> {
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let Some(text) = self.unread.pop_front() else { break };
            bytes += text.len().max(1);
            let number = self.rows.len();
            let pieces = network.read(&text)?;
            if pieces.len() > network.limit() {
                return Err(too_long(
                    number,
                    self.done.vectors.len(),
                    pieces.len(),
                    network.limit(),
                ));
            }
            self.done.tokens = self.done.tokens.saturating_add(pieces.len() as u32);
            self.rows.push_back((number, pieces));
        }
        if self.unread.is_empty() {
            self.rows.make_contiguous().sort_by_key(|(_, pieces)| pieces.len());
        }
        Ok(())
    }
}

fn too_long(number: usize, texts: usize, pieces: usize, limit: usize) -> ModelError {
    let which = if texts == 1 { "the text".to_owned() } else { format!("text {number}") };
    ModelError::BadRequest(format!(
        "{which} has {pieces} tokens, more than the {limit} that this model takes: split it"
    ))
}

/// Many requests, one network.
pub(crate) struct EmbedEngine<N> {
    network: N,
    works: Vec<Option<Work>>,
    /// The slot whose turn it is.
    next: SlotId,
}

impl<N: Network> EmbedEngine<N> {
    /// Makes an engine of `network`.
    pub(crate) fn new(network: N) -> Self {
        Self { network, works: (0..SLOTS).map(|_| None).collect(), next: 0 }
    }

    /// Reads on for one request; whether there was one to read for.
    fn read(&mut self, slots: &mut Slots<Embedded>) -> bool {
        let mut works = self.works.iter_mut().enumerate();
        let unread = works.find_map(|(slot, work)| {
            let work = work.as_mut().filter(|work| !work.unread.is_empty())?;
            Some((slot, work))
        });
        let Some((slot, work)) = unread else { return false };
        if let Err(error) = work.read(&self.network) {
            self.works[slot] = None;
            slots.fail(slot, error);
        }
        true
    }

    /// Takes rows for one run, one request after the other, each giving its shortest, while they fit.
    fn gather(&mut self) -> Vec<Row> {
        let (mut run, mut longest) = (Vec::new(), 0);
        let mut misses = 0;
        while misses < SLOTS {
            let slot = self.next;
            let rows = self.works[slot].as_mut().map(|work| &mut work.rows);
            let fits = |(_, pieces): &(usize, Vec<i64>)| {
                run.is_empty() || longest.max(pieces.len()) * (run.len() + 1) <= RUN_PIECES
            };
            let waiting = rows.filter(|rows| !rows.is_empty());
            let Some(row) = waiting.and_then(|rows| rows.pop_front_if(|row| fits(row))) else {
                misses += 1;
                self.next = (slot + 1) % SLOTS;
                continue;
            };
            misses = 0;
            self.next = (slot + 1) % SLOTS;
            longest = longest.max(row.1.len());
            run.push(Row { slot, number: row.0, pieces: row.1 });
        }
        run
    }

    fn embed(&mut self, slots: &mut Slots<Embedded>, run: &[Row]) {
        let pieces: Vec<&[i64]> = run.iter().map(|row| row.pieces.as_slice()).collect();
        slots.stepped(run.len());
        match self.network.run(&pieces).and_then(|vectors| one_each(vectors, run)) {
            Ok(vectors) => {
                for (row, vector) in run.iter().zip(vectors) {
                    if let Some(work) = &mut self.works[row.slot] {
                        work.done.vectors[row.number] = vector;
                        work.left -= 1;
                    }
                }
            }
            Err(error) => {
                for row in run {
                    if self.works[row.slot].take().is_some() {
                        slots.fail(row.slot, error.clone());
                    }
                }
            }
        }
    }

    fn emit(&mut self, slots: &mut Slots<Embedded>) {
        for (slot, work) in self.works.iter_mut().enumerate() {
            if let Some(work) = work.take_if(|work| work.left == 0) {
                slots.emit(slot, work.done);
                slots.finish(slot);
            }
        }
    }
}

fn one_each(vectors: Vec<Vec<f32>>, run: &[Row]) -> Result<Vec<Vec<f32>>, ModelError> {
    if vectors.len() == run.len() {
        return Ok(vectors);
    }
    let reason = format!("gave {} vectors for {} texts", vectors.len(), run.len());
    Err(ModelError::Engine { engine: ENGINE, reason })
}

/// A text in a run.
struct Row {
    slot: SlotId,
    number: usize,
    pieces: Vec<i64>,
}

impl<N: Network> Engine for EmbedEngine<N> {
    type Job = Vec<String>;
    type Piece = Embedded;

    fn slots(&self) -> usize {
        SLOTS
    }

    fn admit(&mut self, slot: SlotId, texts: Vec<String>) {
        self.works[slot] = Some(Work::new(texts));
    }

    fn step(&mut self, slots: &mut Slots<Embedded>, _: &mut Context<'_>) -> Progress {
        if !self.read(slots) {
            let run = self.gather();
            if !run.is_empty() {
                self.embed(slots, &run);
            }
        }
        self.emit(slots);
        if self.works.iter().any(Option::is_some) { Progress::More } else { Progress::Idle }
    }

    fn release(&mut self, slot: SlotId) {
        self.works[slot] = None;
    }
}

#[cfg(test)]
mod tests;
