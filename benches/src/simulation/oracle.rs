//! What no order of steps could exceed: a device that knows all turns beforehand, may stop a step anywhere, and
//! pays for every piece of work what it costs in the largest batch there is.
//!
//! Its work is a fluid, so the first due first is the best order there is as long as everything can be in time
//! (Liu and Layland, JACM 1973). Where it cannot, a turn is given up: the one with the most work of those
//! due by then (Moore, Management Science 1968), which may be a whole one in a hundred.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{
    Machine, Scenario, Turn,
    search::{GOOD_PART, most_calls},
    world::{GOOD, NETWORK, PAUSE},
};

/// Seconds after a reply until what is not heard of it must be written: the caller speaks again.
const REST: f64 = 6.0;

/// A piece of work for a turn.
#[derive(Clone, Copy, Debug)]
struct Piece {
    due: f64,
    work: f64,
}

/// The most calls of which the oracle serves enough turns well.
pub fn carried_by_oracle(scenario: &Scenario) -> usize {
    most_calls(4_096, |calls| {
        let (mut missed, mut all) = (0, 0);
        for &seed in &scenario.seeds {
            let turns = scenario.turns(calls, seed);
            all += turns.len();
            missed += given_up(&turns, &scenario.machine, turns.len() / 20);
        }
        #[expect(clippy::cast_precision_loss, reason = "turns")]
        let part = missed as f64 / all.max(1) as f64;
        part <= 1.0 - GOOD_PART
    })
}

/// How many turns the oracle gives up, counted no further than `most`.
fn given_up(turns: &[Turn], machine: &Machine, most: usize) -> usize {
    let work: Vec<Vec<Piece>> = turns.iter().map(|turn| pieces(turn, machine)).collect();
    let mut given_up = BTreeSet::new();
    while given_up.len() <= most {
        let Some(until) = first_miss(turns, &work, &given_up) else { break };
        let total = |n: usize| work[n].iter().map(|piece| piece.work).sum::<f64>();
        let is_candidate =
            |n: &usize| !given_up.contains(n) && work[*n].iter().any(|piece| piece.due <= until.1);
        let busy = (0..turns.len())
            .filter(|n| (until.0..=until.1).contains(&turns[*n].stopped))
            .filter(is_candidate);
        let Some(largest) = busy.max_by(|a, b| total(*a).total_cmp(&total(*b))) else { break };
        given_up.insert(largest);
    }
    given_up.len()
}

/// When the device that misses a due time became busy, and that due time.
fn first_miss(
    turns: &[Turn],
    work: &[Vec<Piece>],
    given_up: &BTreeSet<usize>,
) -> Option<(f64, f64)> {
    let mut now: f64 = 0.0;
    let mut busy_since = 0.0;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut waiting: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut next = (0..turns.len()).filter(|n| !given_up.contains(n)).peekable();
    loop {
        let comes = next.peek().map(|n| turns[*n].stopped + PAUSE);
        match waiting.pop() {
            None => {
                let comes = comes?;
                (now, busy_since) = (now.max(comes), now.max(comes) - PAUSE);
            }
            Some(Reverse((due, index))) => {
                let piece = &mut pieces[index];
                let until = comes.unwrap_or(f64::INFINITY).min(now + piece.work);
                piece.work -= until - now;
                now = until;
                if now > piece.due {
                    return Some((busy_since, piece.due));
                }
                if piece.work > 1e-12 {
                    waiting.push(Reverse((due, index)));
                }
            }
        }
        while let Some(n) = next.next_if(|n| turns[*n].stopped + PAUSE <= now) {
            for piece in &work[n] {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "nanoseconds of a run"
                )]
                let due = (piece.due * 1e9) as u64;
                waiting.push(Reverse((due, pieces.len())));
                pieces.push(*piece);
            }
        }
    }
}

/// The work of a turn: all until the first sound, each further clause, what is not heard.
fn pieces(turn: &Turn, machine: &Machine) -> Vec<Piece> {
    let (hear, row, sound) = costs(turn, machine);
    let heard_by = turn.stopped + GOOD - NETWORK;
    let mut pieces = Vec::with_capacity(turn.clauses.len() + 1);
    let (mut begun, mut sounded) = (hear + turn.prompt * machine_row(machine), 0.0);
    for clause in &turn.clauses {
        let work = begun + clause.tokens * row + clause.sound * sound;
        pieces.push(Piece { due: heard_by + sounded, work });
        sounded += clause.sound;
        begun = 0.0;
    }
    let due = heard_by + sounded + REST;
    pieces.push(Piece { due, work: turn.unheard * row });
    pieces
}

/// What a turn costs in the largest batches, while launches cost nothing: its words, a token that is written,
/// and a second of its sound.
fn costs(turn: &Turn, machine: &Machine) -> (f64, f64, f64) {
    let window = machine.window(turn.speech);
    #[expect(clippy::cast_precision_loss, reason = "the size of a batch")]
    let windows = machine.most_windows() as f64;
    let hear = machine.hear(window * windows, turn.speech).work / windows;
    let second = machine.speak(1.0).work;
    let attention = machine.think(1.0, turn.context).work - machine.think(1.0, 0.0).work;
    (hear, machine_row(machine) + attention, second)
}

/// Seconds of a token in the fullest step.
fn machine_row(machine: &Machine) -> f64 {
    machine.think(machine.most_rows(), 0.0).work / machine.most_rows()
}
