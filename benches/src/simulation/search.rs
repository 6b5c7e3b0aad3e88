//! The largest number of calls that are served well.

use std::num::NonZeroUsize;

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
        (1..parts - hears)
            .map(move |speaks| [part(hears), part(parts - hears - speaks), part(speaks)])
    })
}

/// As the product does it.
pub const OURS: Floor = Floor::InTurn(Order::Schedule(TWO));
const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Ways to cut a GPU of seven compute and eight memory slices in three instances, each the sevenths and eighths
/// that it has: NVIDIA's Multi-Instance GPU profiles of 1g, 2g, 3g and 4g.
const MIGS: [[(f64, f64); LANES]; 3] = [
    [(1.0, 1.0), (4.0, 4.0), (2.0, 2.0)],
    [(2.0, 2.0), (3.0, 4.0), (2.0, 2.0)],
    [(2.0, 2.0), (4.0, 4.0), (1.0, 1.0)],
];

/// The calls that the best of a GPU's partitions carries; 0 on what is no GPU.
pub fn best_migs(scenario: &Scenario) -> usize {
    let Machine::Gpu(gpu, models) = scenario.machine else { return 0 };
    let on = |cut: [(f64, f64); LANES]| {
        let machines = cut.map(|(g, m)| Machine::Gpu(gpu.part(g / 7.0, m / 8.0), models));
        most_calls(4_096, |calls| {
            scenario.holds_by(|seed| {
                let turns = scenario.turns(calls, seed);
                World::new(&turns, scenario.machine, Floor::Split([1.0; LANES])).on(machines).run()
            })
        })
    };
    MIGS.into_iter().map(on).max().unwrap_or(0)
}
