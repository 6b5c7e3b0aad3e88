//! The largest number of calls that are served well.

use super::{Figures, Floor, Machine, Mix, Order, Turn, World, order::LANES, turns};

/// The part of the turns that must be as promised.
pub(super) const GOOD_PART: f64 = 0.99;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The device.
    pub machine: Machine,
    /// What calls are like, one after the other.
    pub mixes: Vec<Mix>,
    /// Seconds.
    pub seconds: f64,
    /// One run each.
    pub seeds: Vec<u64>,
}

impl Scenario {
    /// The turns of so many calls.
    pub fn turns(&self, calls: usize, seed: u64) -> Vec<Turn> {
        turns(calls, self.seconds, &self.mixes, seed)
    }

    /// One run.
    pub fn run(&self, calls: usize, seed: u64, floor: Floor) -> Figures {
        World::new(&self.turns(calls, seed), self.machine, floor).run()
    }

    /// Whether so many calls are served well, over all seeds together.
    pub fn holds(&self, calls: usize, floor: Floor) -> bool {
        self.holds_by(|seed| World::new(&self.turns(calls, seed), self.machine, floor).run())
    }

    pub(super) fn holds_by(&self, run: impl Fn(u64) -> Figures) -> bool {
        let (mut good, mut all) = (0, 0);
        for &seed in &self.seeds {
            let figures = run(seed);
            good += figures.outcomes.iter().filter(|outcome| outcome.is_good()).count();
            all += figures.outcomes.len();
        }
        #[expect(clippy::cast_precision_loss, reason = "turns")]
        let part = good as f64 / all.max(1) as f64;
        part >= GOOD_PART
    }
}

/// The most calls up to `end` for which `holds`, where it holds for fewer too; 0 where it holds for none.
pub fn most_calls(end: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut least, mut most) = (0, 16);
    while most < end && holds(most) {
        (least, most) = (most, most * 2);
    }
    let mut most = most.min(end);
    while most - least > 1 {
        let middle = usize::midpoint(least, most);
        if holds(middle) {
            least = middle;
        } else {
            most = middle;
        }
    }
    least
}

/// The most calls that a floor carries.
pub fn carried(scenario: &Scenario, floor: Floor) -> usize {
    most_calls(4_096, |calls| scenario.holds(calls, floor))
}

/// The best of all splits in twentieths, and the calls it carries.
pub fn best_split(scenario: &Scenario) -> ([f64; LANES], usize) {
    let mut best = ([1.0 / 3.0; LANES], 0);
    for parts in splits(20) {
        let floor = Floor::Split(parts);
        // One seed tells most of those that cannot win.
        let one = Scenario { seeds: scenario.seeds[..1].to_vec(), ..scenario.clone() };
        let more = best.1 + 1;
        if !one.holds(more, floor) || !scenario.holds(more, floor) {
            continue;
        }
        let carried = carried(scenario, floor);
        if carried > best.1 {
            best = (parts, carried);
        }
    }
    best
}

/// All ways to share so many equal parts among the lanes, none left without.
fn splits(parts: u32) -> impl Iterator<Item = [f64; LANES]> {
    let part = move |n: u32| f64::from(n) / f64::from(parts);
    (1..parts - 1).flat_map(move |hears| {
        (1..parts - hears).map(move |speaks| {
            [part(hears), part(parts - hears - speaks), part(speaks)]
        })
    })
}

/// The order that is the product's.
pub(super) const OURS: Floor = Floor::InTurn(Order::Schedule);
