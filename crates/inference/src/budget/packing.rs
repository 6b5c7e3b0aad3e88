//! The order in which models are tried on devices.

use std::cmp::Reverse;

use super::{
    Choice, Demand, Device, Entry, Footprint, Kind, Ledger, OverBudget, Placement, Seat, Work, work,
};

/// Replicas of each model that are placed at most: more would only ever be a mistake.
const MOST_REPLICAS: u32 = 64;

/// One replica of a model.
#[derive(Clone, Copy, Debug)]
struct Replica {
    demand: usize,
    number: u32,
}

/// Which devices are tried first.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// The least busy; models of a call together.
    Spread,
    /// The one with the least room that suffices: packs most.
    Tightest,
    /// This one for everything that fits on it, then the tightest.
    Favourite(usize),
}

/// Which choices are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choices {
    First,
    Any,
}

/// The search for a placement.
pub(super) struct Packing<'a> {
    devices: &'a [Device],
    reserve: u64,
    demands: &'a [Demand],
}

impl<'a> Packing<'a> {
    pub(super) fn new(devices: &'a [Device], reserve: u64, demands: &'a [Demand]) -> Self {
        Self { devices, reserve, demands }
    }

    pub(super) fn run(&self) -> Result<Placement, OverBudget> {
        let mut nearest: Option<Ledger> = None;
        for choices in [Choices::First, Choices::Any] {
            let favourites = (0..self.devices.len()).map(Order::Favourite);
            for order in [Order::Spread, Order::Tightest].into_iter().chain(favourites) {
                match self.attempt(order, choices) {
                    Ok(placement) => return Ok(placement),
                    Err(full) => {
                        let is_nearer = |n: &Ledger| full.short_bytes() < n.short_bytes();
                        if nearest.as_ref().is_none_or(is_nearer) {
                            nearest = Some(*full);
                        }
                    }
                }
            }
        }
        // There is an attempt even without devices, and it failed.
        let ledger = Box::new(nearest.unwrap_or_else(|| self.nowhere(Kind::Host)));
        Err(OverBudget { ledger })
    }

    /// Places everything in one order, or says on which device the first thing that has no place is short.
    fn attempt(&self, order: Order, choices: Choices) -> Result<Placement, Box<Ledger>> {
        let mut shelves = Shelves::new(self.devices, self.reserve);
        let mut singles = Vec::new();
        for unit in self.units() {
            let together = match order {
                Order::Spread if unit.len() > 1 => self.put_together(&mut shelves, &unit, order),
                Order::Spread | Order::Tightest | Order::Favourite(_) => false,
            };
            if !together {
                singles.extend(unit);
            }
        }
        singles.sort_by_key(|replica| Reverse(self.first(*replica).footprint.resident_bytes()));
        for (n, &replica) in singles.iter().enumerate() {
            if !self.put(&mut shelves, replica, (order, choices)) {
                return Err(Box::new(self.shortfall(&shelves, &singles[n..])));
            }
        }
        Ok(shelves.placement())
    }

    /// The replicas that belong together, those of calls first.
    fn units(&self) -> Vec<Vec<Replica>> {
        let replicas = |demand: usize| self.demands[demand].replicas.clamp(1, MOST_REPLICAS);
        let of = |is_of_call: bool| {
            let all = 0..self.demands.len();
            all.filter(move |&demand| self.demands[demand].is_of_call == is_of_call)
        };
        let most = of(true).map(replicas).max().unwrap_or(0);
        let calls = (0..most).map(|number| {
            let has = of(true).filter(|&demand| number < replicas(demand));
            has.map(|demand| Replica { demand, number }).collect()
        });
        let others = of(false).flat_map(|demand| {
            (0..replicas(demand)).map(move |number| vec![Replica { demand, number }])
        });
        calls.chain(others).collect()
    }

    /// Puts those of a call on one device of each kind, by their first choices; false, and nothing is put,
    /// where some kind has none with room for all of its own.
    fn put_together(&self, shelves: &mut Shelves<'a>, unit: &[Replica], order: Order) -> bool {
        let mut chosen = Vec::new();
        for kind in [Kind::Gpu, Kind::Host] {
            let of_kind: Vec<_> =
                unit.iter().copied().filter(|&r| self.first(r).on == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            let entries: Vec<_> = of_kind.iter().map(|&r| self.taken(r, 0)).collect();
            let Some(device) = shelves.choose(kind, &entries, order) else { return false };
            chosen.push((device, entries));
        }
        for (device, entries) in chosen {
            for taken in entries {
                shelves.put(device, taken);
            }
        }
        true
    }

    fn put(
        &self,
        shelves: &mut Shelves<'a>,
        replica: Replica,
        (order, choices): (Order, Choices),
    ) -> bool {
        let count = match choices {
            Choices::First => 1,
            Choices::Any => self.demands[replica.demand].choices.len(),
        };
        for choice in 0..count.min(self.demands[replica.demand].choices.len()) {
            let taken = self.taken(replica, choice);
            let kind = self.demands[replica.demand].choices[choice].on;
            if let Some(device) = shelves.choose(kind, std::slice::from_ref(&taken), order) {
                shelves.put(device, taken);
                return true;
            }
        }
        false
    }

    fn first(&self, replica: Replica) -> &'a Choice {
        &self.demands[replica.demand].choices[0]
    }

    fn taken(&self, replica: Replica, choice: usize) -> Taken<'a> {
        let demand = &self.demands[replica.demand];
        let Choice { footprint, work, .. } = &demand.choices[choice];
        Taken {
            seat: Seat { demand: replica.demand, replica: replica.number, choice, device: 0 },
            model: &demand.model,
            footprint,
            work: work.map(|work| work.of_one(demand.replicas)),
        }
    }

    /// The ledger of the roomiest device that the first of `left` may use, with it and with all of the rest
    /// that have nowhere else to go.
    fn shortfall(&self, shelves: &Shelves<'a>, left: &[Replica]) -> Ledger {
        let kind = left.first().map_or(Kind::Host, |&replica| self.first(replica).on);
        let is_only = self.devices.iter().filter(|device| device.kind == kind).count() == 1;
        let roomiest = (0..self.devices.len())
            .filter(|&n| self.devices[n].kind == kind)
            .max_by_key(|&n| (shelves.left(n), Reverse(n)));
        let mut ledger = match roomiest {
            Some(device) => shelves.ledger(device),
            None => self.nowhere(kind),
        };
        let without_place = left.iter().filter(|&&replica| self.first(replica).on == kind);
        for &replica in without_place.take(if is_only { left.len() } else { 1 }) {
            ledger.entries.push(self.taken(replica, 0).entry());
        }
        ledger
    }

    fn nowhere(&self, kind: Kind) -> Ledger {
        let name = match kind {
            Kind::Gpu => "a machine without a GPU",
            Kind::Host => "a machine without memory for models",
        };
        let device = Device { name: name.into(), kind, total_bytes: 0, free_bytes: 0, slice: None };
        Ledger { device, reserve: self.reserve, entries: Vec::new(), share: 0.0 }
    }
}

/// A replica on its way to a device.
#[derive(Clone, Debug)]
struct Taken<'a> {
    seat: Seat,
    model: &'a str,
    footprint: &'a Footprint,
    work: Option<Work>,
}

impl Taken<'_> {
    fn entry(&self) -> Entry {
        Entry {
            model: self.model.to_owned(),
            replica: self.seat.replica,
            footprint: self.footprint.clone(),
        }
    }
}

/// Devices being filled.
struct Shelves<'a> {
    devices: &'a [Device],
    reserve: u64,
    taken: Vec<Vec<Taken<'a>>>,
}

impl<'a> Shelves<'a> {
    fn new(devices: &'a [Device], reserve: u64) -> Self {
        Self { devices, reserve, taken: vec![Vec::new(); devices.len()] }
    }

    /// The device of this kind that all of these go to; `None` where none has room.
    fn choose(&self, kind: Kind, more: &[Taken<'a>], order: Order) -> Option<usize> {
        let fitting = (0..self.devices.len())
            .filter(|&n| self.devices[n].kind == kind && self.room_after(n, more).is_some());
        match order {
            Order::Spread => fitting.min_by(|&a, &b| {
                let rank = |n: usize| {
                    let share = self.share(n, more);
                    let twins = self.taken[n].iter().filter(|held| {
                        more.iter().any(|taken| taken.seat.demand == held.seat.demand)
                    });
                    (share > 1.0, twins.count(), share, Reverse(self.room_after(n, more)), n)
                };
                rank(a).partial_cmp(&rank(b)).unwrap_or(a.cmp(&b))
            }),
            Order::Tightest => fitting.min_by_key(|&n| (self.room_after(n, more), n)),
            Order::Favourite(device) => {
                fitting.min_by_key(|&n| (n != device, self.room_after(n, more), n))
            }
        }
    }

    fn put(&mut self, device: usize, mut taken: Taken<'a>) {
        taken.seat.device = device;
        self.taken[device].push(taken);
    }

    /// Bytes left on a device with these on it; `None` where they do not fit.
    fn room_after(&self, device: usize, more: &[Taken<'a>]) -> Option<u64> {
        let all = || self.taken[device].iter().chain(more).map(|taken| taken.footprint);
        let held = all().try_fold(0_u64, |sum, item| sum.checked_add(item.resident_bytes()))?;
        let loading = all().map(Footprint::loading_bytes).max().unwrap_or(0);
        let room = self.devices[device].usable_bytes().saturating_sub(self.reserve);
        room.checked_sub(held.checked_add(loading)?)
    }

    fn left(&self, device: usize) -> Option<u64> {
        self.room_after(device, &[])
    }

    fn share(&self, device: usize, more: &[Taken<'a>]) -> f64 {
        let works = self.taken[device].iter().chain(more).filter_map(|taken| taken.work);
        work::share(&works.collect::<Vec<_>>())
    }

    fn ledger(&self, device: usize) -> Ledger {
        Ledger {
            device: self.devices[device].clone(),
            reserve: self.reserve,
            entries: self.taken[device].iter().map(Taken::entry).collect(),
            share: self.share(device, &[]),
        }
    }

    fn placement(self) -> Placement {
        let ledgers = (0..self.devices.len()).map(|device| self.ledger(device)).collect();
        let mut seats: Vec<_> = self.taken.into_iter().flatten().map(|taken| taken.seat).collect();
        seats.sort_by_key(|seat| (seat.demand, seat.replica));
        Placement { seats, ledgers }
    }
}
