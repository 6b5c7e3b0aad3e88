//! Responses that clients may come back to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{item::Item, object::is_open};

/// Responses kept for all keys together. Past that the oldest is forgotten.
const TURNS: usize = 1024;
/// Responses kept for one key. Past that its oldest is forgotten.
const TURNS_A_KEY: usize = 256;
/// What all of them may take. Past that the oldest is forgotten.
const BYTES: usize = 64 * 1024 * 1024;
/// How long they are kept.
const AGE: Duration = Duration::from_mins(30);

/// A response and what led to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Whose it is.
    pub(super) owner: u64,
    /// As the client was told.
    pub(super) response: Value,
    /// What was said in the responses before.
    pub(super) before: Vec<Item>,
    /// What the client said.
    pub(super) input: Vec<Item>,
    /// What the model said.
    pub(super) output: Vec<Item>,
}

impl Turn {
    fn id(&self) -> &str {
        self.response["id"].as_str().unwrap_or_default()
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.before.iter().chain(&self.input).chain(&self.output)
    }

    fn bytes(&self) -> usize {
        self.response.to_string().len() + self.items().map(Item::bytes).sum::<usize>()
    }
}

/// What is remembered, in memory only. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    /// The oldest first.
    turns: VecDeque<Placed>,
    bytes: usize,
}

#[derive(Debug)]
struct Placed {
    since: Instant,
    bytes: usize,
    turn: Arc<Turn>,
}

impl Memory {
    /// Remembers a turn.
    pub(super) fn keep(&self, now: Instant, turn: Turn) {
        self.with(|shelf| shelf.place(now, turn));
    }

    /// The turn of this id, where it is this owner's.
    pub(super) fn turn(&self, now: Instant, owner: u64, id: &str) -> Option<Arc<Turn>> {
        self.with(|shelf| {
            shelf.forget_old(now);
            let found = shelf.own(owner).find(|turn| turn.id() == id);
            found.cloned()
        })
    }

    /// The item of this id in this owner's turns.
    pub(super) fn item(&self, now: Instant, owner: u64, id: &str) -> Option<Item> {
        self.with(|shelf| {
            shelf.forget_old(now);
            let mut items = shelf.own(owner).flat_map(|turn| turn.items());
            items.find(|item| item.id == id).cloned()
        })
    }

    /// The turn of this id has come to an end, unless it had before.
    pub(super) fn close(&self, id: &str, response: Value, output: Vec<Item>) {
        self.with(|shelf| {
            let open =
                |placed: &&mut Placed| placed.turn.id() == id && is_open(&placed.turn.response);
            if let Some(placed) = shelf.turns.iter_mut().find(open) {
                let turn = Turn { response, output, ..(*placed.turn).clone() };
                let bytes = turn.bytes();
                shelf.bytes = shelf.bytes - placed.bytes + bytes;
                (placed.bytes, placed.turn) = (bytes, Arc::new(turn));
            }
            shelf.forget_most();
        });
    }

    /// Forgets the turn of this id.
    pub(super) fn remove(&self, owner: u64, id: &str) {
        self.with(|shelf| {
            shelf.forget(|placed| placed.turn.owner == owner && placed.turn.id() == id);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shelf) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shelf {
    fn own(&self, owner: u64) -> impl Iterator<Item = &Arc<Turn>> {
        self.turns.iter().map(|placed| &placed.turn).filter(move |turn| turn.owner == owner)
    }

    fn place(&mut self, now: Instant, turn: Turn) {
        self.forget_old(now);
        let owner = turn.owner;
        if self.own(owner).count() >= TURNS_A_KEY {
            let oldest = self.turns.iter().position(|placed| placed.turn.owner == owner);
            if let Some(gone) = oldest.and_then(|oldest| self.turns.remove(oldest)) {
                self.bytes -= gone.bytes;
            }
        }
        let bytes = turn.bytes();
        self.bytes += bytes;
        self.turns.push_back(Placed { since: now, bytes, turn: Arc::new(turn) });
        self.forget_most();
    }

    fn forget_old(&mut self, now: Instant) {
        self.forget(|placed| now.duration_since(placed.since) > AGE);
    }

    fn forget_most(&mut self) {
        while self.turns.len() > TURNS || self.bytes > BYTES {
            let Some(gone) = self.turns.pop_front() else { return };
            self.bytes -= gone.bytes;
        }
    }

    fn forget(&mut self, goes: impl Fn(&Placed) -> bool) {
        self.turns.retain(|placed| !goes(placed));
        self.bytes = self.turns.iter().map(|placed| placed.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trunkline_inference::Role;

    use super::*;
    use crate::openai::history::Entry;

    fn turn(owner: u64, id: &str) -> Turn {
        let response = json!({ "id": id, "status": "in_progress" });
        let input = vec![Item { id: format!("in_{id}"), entry: Entry::said(Role::User, "hi") }];
        Turn { owner, response, input, ..Turn::default() }
    }

    #[test]
    fn a_turn_is_found_by_its_owner_until_it_is_too_old_or_removed() {
        let (memory, now) = (Memory::default(), Instant::now());
        memory.keep(now, turn(1, "a"));
        memory.keep(now, turn(1, "b"));
        let has = |at, owner, id| memory.turn(at, owner, id).is_some();
        assert!(has(now, 1, "a") && !has(now, 2, "a") && !has(now, 1, "c"));
        assert_eq!(memory.item(now, 1, "in_b").unwrap().id, "in_b");
        assert_eq!(memory.item(now, 2, "in_b"), None);
        memory.remove(2, "a");
        assert!(has(now, 1, "a"));
        memory.remove(1, "a");
        assert!(!has(now, 1, "a") && has(now + AGE, 1, "b"));
        assert!(!has(now + AGE + Duration::from_secs(1), 1, "b"));
        assert_eq!(memory.with(|shelf| shelf.bytes), 0);
    }

    #[test]
    fn a_turn_ends_once() {
        let (memory, now) = (Memory::default(), Instant::now());
        memory.keep(now, turn(1, "a"));
        let ended = |status: &str| json!({ "id": "a", "status": status });
        memory.close("a", ended("cancelled"), Vec::new());
        memory.close("a", ended("completed"), Vec::new());
        assert_eq!(memory.turn(now, 1, "a").unwrap().response["status"], "cancelled");
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many_or_they_are_too_large() {
        let (memory, now) = (Memory::default(), Instant::now());
        memory.keep(now, turn(2, "other"));
        for number in 0..=TURNS_A_KEY {
            memory.keep(now, turn(1, &number.to_string()));
        }
        let has = |owner, id: &str| memory.turn(now, owner, id).is_some();
        assert!(has(2, "other") && !has(1, "0") && has(1, "1"));
        let large = Item { id: "x".into(), entry: Entry::said(Role::User, "x".repeat(BYTES / 2)) };
        for id in ["first", "second"] {
            memory.keep(now, Turn { before: vec![large.clone()], ..turn(3, id) });
        }
        assert!(!has(2, "other") && !has(3, "first") && has(3, "second"));
        assert!(memory.with(|shelf| shelf.bytes <= BYTES));
    }
}
