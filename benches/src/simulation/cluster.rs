//! Many devices, calls placed on whichever has the fewest.

use super::{
    Machine, Mix, Turn, World,
    gate::Counts,
    search::{GOOD_PART, OURS},
    turns,
};

/// Seconds until all calls have begun: as fast as a call centre opens.
const RAMP: f64 = 120.0;
/// Seconds after which turns count.
const SETTLED: f64 = 130.0;
/// Seconds of a run.
const SECONDS: f64 = 200.0;

/// Devices of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cluster {
    /// One of them.
    pub machine: Machine,
    /// How many.
    pub devices: usize,
    /// Whether each lets calls in by the real admission, and what that is told.
    pub admission: Option<Counts>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offered {
    /// Calls that were let in.
    pub admitted: usize,
    /// Turns of those, once all have begun.
    pub turns: usize,
    /// Those that were as promised.
    pub good: usize,
}

impl Offered {
    /// Whether all but a hundredth of the calls were let in, and served well.
    pub fn holds(&self, calls: usize) -> bool {
        let part = |n: usize, of: usize| {
            #[expect(clippy::cast_precision_loss, reason = "a part")]
            let part = n as f64 / of.max(1) as f64;
            part >= GOOD_PART
        };
        part(self.admitted, calls) && part(self.good, self.turns)
    }
}

impl Cluster {
    /// Offers it so many calls. Devices that are alike and filled evenly do not meet: each is a world of its
    /// own, with turns of its own.
    pub fn offered(&self, calls: usize, mix: &Mix, seed: u64) -> Offered {
        let mut sum = Offered::default();
        for device in 0..self.devices {
            let share = calls / self.devices + usize::from(device < calls % self.devices);
            let seed = seed.wrapping_mul(10_007).wrapping_add(device as u64);
            let one = self.device(&ramped(share, mix, seed), share);
            sum.admitted += one.admitted;
            sum.turns += one.turns;
            sum.good += one.good;
        }
        sum
    }

    fn device(&self, turns: &[Turn], calls: usize) -> Offered {
        let mut world = World::new(turns, self.machine, OURS);
        if let Some(counts) = self.admission {
            world = world.admitting(turns.iter().map(|turn| turn.call).collect(), counts);
        }
        let outcomes = world.run().outcomes;
        let refused = || turns.iter().zip(&outcomes).filter(|(_, o)| o.is_refused);
        let refused: std::collections::BTreeSet<usize> = refused().map(|(t, _)| t.call).collect();
        let settled = || {
            let counts = |(turn, outcome): &(&Turn, _)| {
                let outcome: &&super::Outcome = outcome;
                turn.stopped >= SETTLED && !outcome.is_refused
            };
            turns.iter().zip(&outcomes).filter(counts)
        };
        Offered {
            admitted: calls - refused.len(),
            turns: settled().count(),
            good: settled().filter(|(_, outcome)| outcome.is_good()).count(),
        }
    }
}

/// Turns of calls that begin one after the other.
fn ramped(calls: usize, mix: &Mix, seed: u64) -> Vec<Turn> {
    let mut turns = turns(calls, SECONDS, &[*mix], seed);
    #[expect(clippy::cast_precision_loss, reason = "calls")]
    turns.retain(|turn| turn.stopped >= RAMP * turn.call as f64 / calls as f64);
    turns
}

/// The fewest devices of the kind that serve so many calls well, from `least` up, no more than twice that.
pub fn devices_needed(cluster: Cluster, calls: usize, mix: &Mix, least: usize) -> Option<usize> {
    let holds = |devices: usize| Cluster { devices, ..cluster }.offered(calls, mix, 1).holds(calls);
    let (mut fails, mut holds_at) = (least.saturating_sub(1), least * 2);
    if !holds(holds_at) {
        return None;
    }
    while holds_at - fails > 1 {
        let middle = usize::midpoint(fails, holds_at);
        if middle > 0 && holds(middle) {
            holds_at = middle;
        } else {
            fails = middle;
        }
    }
    Some(holds_at)
}
