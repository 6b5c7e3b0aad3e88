//! The laws of the budget, and its sums as people read them.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::*;

const GIB: u64 = 1 << 30;

fn device(kind: Kind, free_bytes: u64) -> Device {
    Device { name: format!("{kind:?}"), kind, total_bytes: free_bytes * 2, free_bytes, slice: None }
}

fn gpu(free: u64) -> Device {
    device(Kind::Gpu, free)
}

fn footprint(weights: u64, kv: u64, loading: u64) -> Footprint {
    Footprint {
        items: vec![
            Item::amount(Part::Weights, "weights", weights, "the file"),
            Item::amount(Part::Kv, "keys and values", kv, "given"),
            Item::amount(Part::Loading, "the file", loading, "given"),
        ],
    }
}

fn demand(model: &str, on: Kind, bytes: u64) -> Demand {
    Demand {
        model: model.into(),
        choices: vec![Choice { on, footprint: footprint(bytes, 0, 0), work: None }],
        replicas: 1,
        is_of_call: true,
    }
}

/// The devices that the first replicas of the demands are on.
fn devices_of(placement: &Placement) -> Vec<usize> {
    placement.seats.iter().filter(|seat| seat.replica == 0).map(|seat| seat.device).collect()
}

#[test]
fn a_refusal_shows_the_sum_and_what_is_short() {
    let items = vec![
        Item::amount(Part::Weights, "weights", GIB, "model.gguf"),
        Item::product(
            Part::Kv,
            "keys and values",
            &[(65536, "tokens"), (28, "layers"), (1024, "bytes")],
        ),
        Item::amount(Part::Loading, "staging", GIB / 4, "the largest tensor"),
    ];
    let mut llm = demand("llm", Kind::Gpu, 0);
    llm.choices[0].footprint = Footprint { items };
    let mut small = demand("stt", Kind::Gpu, GIB / 2);
    small.choices[0].footprint.items.push(Item::amount(Part::Loading, "x", 5, "less"));
    let budget = Budget::new(vec![gpu(3 * GIB)], GIB / 2);
    let refused = budget.place(&[small, llm]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Gpu has too little memory for the models\n\
         \x20  1.00 GiB  llm: weights = model.gguf\n\
         \x20  1.75 GiB  llm: keys and values = 65536 tokens x 28 layers x 1024 bytes\n\
         \x20   512 MiB  stt: weights = the file\n\
         \x20   0.0 MiB  stt: keys and values = given\n\
         \x20   256 MiB  llm: staging = the largest tensor, given back once it is loaded\n\
         \x20  3.50 GiB  needed; 3.00 GiB free, 512 MiB of it left to others: short by 1.00 GiB"
    );
}

#[test]
fn models_of_a_call_stay_together_and_their_replicas_apart() {
    let mut models = ["stt", "llm", "tts"].map(|name| demand(name, Kind::Gpu, GIB));
    for model in &mut models {
        model.replicas = 2;
    }
    let budget = Budget::new(vec![gpu(8 * GIB), gpu(8 * GIB)], 0);
    let placement = budget.place(&models).unwrap();
    for replica in 0..2 {
        let mut devices: Vec<_> =
            placement.seats.iter().filter(|s| s.replica == replica).map(|s| s.device).collect();
        devices.dedup();
        assert_eq!(devices.len(), 1, "{placement:?}");
    }
    assert_eq!(placement.ledgers.map_bytes(), [3 * GIB, 3 * GIB]);
}

#[test]
fn models_of_a_call_that_fit_nowhere_together_are_parted() {
    let models = ["stt", "llm"].map(|name| demand(name, Kind::Gpu, 5 * GIB));
    let placement = Budget::new(vec![gpu(8 * GIB), gpu(8 * GIB)], 0).place(&models).unwrap();
    assert_eq!(placement.ledgers.map_bytes(), [5 * GIB, 5 * GIB]);
}

#[test]
fn a_model_goes_to_the_host_only_where_a_gpu_has_no_room() {
    let mut llm = demand("llm", Kind::Gpu, 5 * GIB);
    let on_host = Choice { on: Kind::Host, footprint: footprint(6 * GIB, 0, 0), work: None };
    llm.choices.push(on_host);
    let place = |free| {
        Budget::new(vec![gpu(free), device(Kind::Host, 16 * GIB)], 0).place(&[llm.clone()]).unwrap()
    };
    assert_eq!(devices_of(&place(5 * GIB)), [0]);
    let placement = place(4 * GIB);
    assert_eq!((devices_of(&placement), placement.seats[0].choice), (vec![1], 1));
}

#[test]
fn busy_models_are_parted_and_idle_ones_are_not() {
    let busy = |name: &str, rate_hz| {
        let mut demand = demand(name, Kind::Gpu, GIB);
        demand.is_of_call = false;
        demand.choices[0].work = Some(Work {
            step: Duration::from_millis(20),
            step_per_item: Duration::from_millis(10),
            most_items: 16,
            deadline: Duration::from_millis(200),
            rate_hz,
        });
        demand
    };
    let budget = Budget::new(vec![gpu(8 * GIB), gpu(8 * GIB)], 0);
    let placement = budget.place(&[busy("a", 50.0), busy("b", 50.0), busy("c", 1.0)]).unwrap();
    let devices = devices_of(&placement);
    assert_ne!(devices[0], devices[1]);
    assert!(placement.ledgers.iter().all(|ledger| ledger.share <= 1.0), "{placement:?}");
    // A device's time is no limit, but it is told.
    let one = Budget::new(vec![gpu(8 * GIB)], 0);
    let placement = one.place(&[busy("a", 50.0), busy("b", 50.0)]).unwrap();
    assert!(placement.ledgers[0].share > 1.0);
}

#[test]
fn a_model_without_its_kind_of_device_is_refused_with_its_sum() {
    let refused = Budget::new(vec![device(Kind::Host, GIB)], 0).place(&[demand("m", Kind::Gpu, 7)]);
    let refused = refused.unwrap_err();
    assert!(refused.to_string().starts_with("a machine without a GPU has too little memory"));
    assert_eq!(refused.ledger.short_bytes(), 7);
}

#[test]
fn nothing_needs_nothing() {
    assert_eq!(Budget::new(vec![], 5).place(&[]).unwrap().seats, []);
}

trait MapBytes {
    fn map_bytes(&self) -> Vec<u64>;
}

impl MapBytes for Vec<Ledger> {
    fn map_bytes(&self) -> Vec<u64> {
        self.iter().map(Ledger::needed_bytes).collect()
    }
}

prop_compose! {
    fn any_footprint()(weights in 0_u64..100, kv in 0_u64..50, loading in 0_u64..30) -> Footprint {
        footprint(weights, kv, loading)
    }
}

prop_compose! {
    fn any_demand()(
        gpu in any_footprint(),
        host in proptest::option::of(any_footprint()),
        is_host_first in any::<bool>(),
        replicas in 1_u32..3,
        is_of_call in any::<bool>(),
        rate in proptest::option::of(0.0_f64..50.0),
    ) -> Demand {
        let work = rate.map(|rate_hz| Work {
            step: Duration::from_millis(5),
            step_per_item: Duration::from_millis(2),
            most_items: 8,
            deadline: Duration::from_millis(300),
            rate_hz,
        });
        let mut choices = vec![Choice { on: Kind::Gpu, footprint: gpu, work }];
        choices.extend(host.map(|footprint| Choice { on: Kind::Host, footprint, work: None }));
        if is_host_first {
            choices.reverse();
        }
        Demand { model: "m".into(), choices, replicas, is_of_call }
    }
}

fn any_devices() -> impl Strategy<Value = Vec<Device>> {
    vec((any::<bool>(), 0_u64..400), 0..5).prop_map(|devices| {
        let kind = |is_gpu| if is_gpu { Kind::Gpu } else { Kind::Host };
        devices.into_iter().map(|(is_gpu, free)| device(kind(is_gpu), free)).collect()
    })
}

/// Bytes that all demands take by the choices for one kind of device; `None` where one has none.
fn all_on(kind: Kind, demands: &[Demand]) -> Option<u64> {
    let mut ledger =
        Ledger { device: device(kind, 0), reserve: 0, entries: Vec::new(), share: 0.0 };
    for demand in demands {
        let choice = demand.choices.iter().find(|choice| choice.on == kind)?;
        for replica in 0..demand.replicas {
            let footprint = choice.footprint.clone();
            ledger.entries.push(Entry { model: String::new(), replica, footprint });
        }
    }
    Some(ledger.needed_bytes())
}

proptest! {
    #[test]
    fn no_device_holds_more_than_it_has_and_every_replica_has_a_seat(
        devices in any_devices(),
        demands in vec(any_demand(), 0..7),
        reserve in 0_u64..60,
    ) {
        let budget = Budget::new(devices.clone(), reserve);
        let Ok(placement) = budget.place(&demands) else { return Ok(()) };
        for ledger in &placement.ledgers {
            let room = ledger.device.free_bytes.saturating_sub(reserve);
            prop_assert!(ledger.needed_bytes() <= room);
        }
        let wanted: Vec<_> = demands.iter().enumerate()
            .flat_map(|(n, demand)| (0..demand.replicas).map(move |replica| (n, replica)))
            .collect();
        let seated: Vec<_> = placement.seats.iter().map(|s| (s.demand, s.replica)).collect();
        prop_assert_eq!(seated, wanted);
        for seat in &placement.seats {
            let choice = &demands[seat.demand].choices[seat.choice];
            prop_assert_eq!(choice.on, devices[seat.device].kind);
        }
        let entries: usize = placement.ledgers.iter().map(|ledger| ledger.entries.len()).sum();
        prop_assert_eq!(entries, placement.seats.len());
    }

    #[test]
    fn what_fits_on_one_device_is_placed(
        devices in any_devices(),
        demands in vec(any_demand(), 0..7),
        reserve in 0_u64..60,
    ) {
        let fits = devices.iter().any(|device| {
            let room = device.free_bytes.saturating_sub(reserve);
            all_on(device.kind, &demands).is_some_and(|needed| needed <= room)
        });
        let placed = Budget::new(devices, reserve).place(&demands);
        prop_assert!(!fits || placed.is_ok(), "{:?}", placed);
    }

    #[test]
    fn the_same_question_has_the_same_answer(
        devices in any_devices(),
        demands in vec(any_demand(), 0..7),
    ) {
        let budget = Budget::new(devices, 10);
        prop_assert_eq!(budget.place(&demands), budget.place(&demands));
    }

    #[test]
    fn a_refusal_adds_up(
        devices in any_devices(),
        demands in vec(any_demand(), 1..7),
        reserve in 0_u64..60,
    ) {
        let Err(OverBudget { ledger }) = Budget::new(devices, reserve).place(&demands) else {
            return Ok(());
        };
        let lines = ledger.entries.iter().flat_map(|entry| &entry.footprint.items);
        let held: u64 =
            lines.clone().filter(|i| i.part != Part::Loading).map(|item| item.bytes).sum();
        let loading = lines.filter(|i| i.part == Part::Loading).map(|i| i.bytes).max();
        let needed = held + loading.unwrap_or(0);
        let room = ledger.device.free_bytes.saturating_sub(reserve);
        prop_assert_eq!(ledger.needed_bytes(), needed);
        prop_assert_eq!(ledger.short_bytes(), needed - room);
        prop_assert!(ledger.short_bytes() > 0);
    }
}
