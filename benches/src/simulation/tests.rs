//! The laws of the simulation.

use trunkline_inference::capacity::{
    Gpu, LanguageModel, Load, Models, Recognizer, VoiceModel, plan,
};

use super::{
    world::{NETWORK, PAUSE},
    *,
};
use crate::random::Random;

const ALL: [Floor; 5] = [
    OURS,
    Floor::InTurn(Order::FirstCome),
    Floor::InTurn(Order::FirstDue),
    Floor::Sliced,
    Floor::Split([0.2, 0.5, 0.3]),
];

#[test]
fn every_turn_is_answered_in_full_however_the_device_is_shared() {
    for floor in ALL {
        let scenario = scenario("a100", "8b-bf16");
        let turns = scenario.turns(40, 7);
        let figures = scenario.run(40, 7, floor);
        assert_eq!(figures.outcomes.len(), turns.len());
        for (turn, outcome) in turns.iter().zip(&figures.outcomes) {
            let latency = outcome.latency.unwrap();
            assert!(latency > turn.endpoint + NETWORK, "{floor:?}: {latency}");
            assert!((outcome.sound - turn.sound()).abs() < 1e-9, "{floor:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_gives_others() {
    let scenario = scenario("a100", "8b-bf16");
    let figures = || scenario.run(100, 3, OURS);
    assert_eq!(figures(), figures());
    assert_ne!(figures().outcomes, scenario.run(100, 4, OURS).outcomes);
}

/// Turns that come at random and take the recognizer 70 ms each, one at a time, wait as long as the formula of
/// Pollaczek and Khinchine has it for constant service: rho s / (2 (1 - rho)).
#[test]
fn a_queue_waits_as_long_as_theory_has_it() {
    let (service, busy) = (0.070, 0.7);
    let mut random = Random::new(11);
    let mut stopped = 0.0;
    let turns: Vec<Turn> = (0..40_000)
        .map(|call| {
            stopped += random.exponential(service / busy);
            let clauses = vec![Clause { tokens: 1.0, sound: 0.1 }];
            let (prompt, context, unheard) = (1.0, 100.0, 0.0);
            Turn { call, stopped, speech: 5.0, endpoint: 0.0, prompt, context, clauses, unheard }
        })
        .collect();
    let machine = Machine::TwoCores;
    let figures = World::new(&turns, machine, Floor::Split([1.0; 3])).run();
    let took = |took: Took| took.idle + took.work;
    let alone = PAUSE
        + took(machine.hear(5.0, 5.0))
        + took(machine.think(1.0, 100.0))
        + took(machine.speak(0.1))
        + NETWORK;
    let waits = figures.outcomes.iter().map(|outcome| outcome.latency.unwrap() - alone);
    let mean = waits.sum::<f64>() / 40_000.0;
    let theory = busy * service / (2.0 * (1.0 - busy));
    assert!((mean / theory - 1.0).abs() < 0.05, "{mean} for {theory}");
}

#[test]
fn callers_are_as_the_mix_says() {
    let turns = turns(500, 600.0, &[Mix::USUAL], 5);
    let count = f64::from(u32::try_from(turns.len()).unwrap());
    let mean = |of: &dyn Fn(&Turn) -> f64| turns.iter().map(of).sum::<f64>() / count;
    for (what, is, meant) in [
        ("turns a second and call", count / 500.0 / 600.0, 0.1),
        ("tokens read", mean(&|turn| turn.prompt), 100.0),
        ("tokens written", mean(&Turn::reply), 60.0),
        ("seconds spoken", mean(&Turn::sound), 4.0),
        ("seconds heard", mean(&|turn| turn.speech), 3.0),
    ] {
        assert!((is / meant - 1.0).abs() < 0.05, "{what}: {is} for {meant}");
    }
}

#[test]
fn nobody_carries_more_than_the_oracle_and_no_simple_order_more_than_the_schedule() {
    let scenario = scenario("a100", "8b-bf16");
    let (ours, oracle) = (carried(&scenario, OURS), carried_by_oracle(&scenario));
    for floor in ALL {
        let carried = carried(&scenario, floor);
        assert!(carried <= oracle, "{floor:?}: {carried} of {oracle}");
        assert!(carried <= ours, "{floor:?}: {carried}, ours {ours}");
    }
    assert!(ours * 100 >= oracle * 87, "{ours} of {oracle}");
}

/// What `trunkline plan` puts on a GPU is what the simulation carries, less a reserve of 5 to 35 %; more of one
/// where memory is the limit, which the simulation knows nothing of.
#[test]
fn a_plan_keeps_a_reserve_of_what_the_simulation_carries() {
    for (gpu, language) in
        [("a100", "8b-bf16"), ("a100", "4b-q4"), ("h100", "8b-bf16"), ("l40s", "4b-q4")]
    {
        let scenario = scenario(gpu, language);
        let Machine::Gpu(kind, models) = scenario.machine else { unreachable!() };
        let plan = plan(100_000, &kind, &models, &Load::default()).unwrap();
        let (planned, carried) = (plan.calls_per_gpu, carried(&scenario, OURS));
        let part = f64::from(planned) / f64::from(u32::try_from(carried).unwrap());
        let least = if plan.is_limited_by_memory { 0.3 } else { 0.65 };
        assert!((least..=0.95).contains(&part), "{gpu} {language}: {planned} of {carried}");
    }
}

#[test]
fn a_cluster_offered_twice_what_it_carries_does_not_hold_and_half_of_it_does() {
    let machine = scenario("a100", "8b-bf16").machine;
    let cluster = Cluster { machine, devices: 2, admission: None };
    assert!(cluster.offered(300, &Mix::USUAL, 1).holds(300));
    assert!(!cluster.offered(1_200, &Mix::USUAL, 1).holds(1_200));
}

fn scenario(gpu: &str, language: &str) -> Scenario {
    let language = *LanguageModel::named(language).unwrap();
    let models = Models { recognizer: Recognizer::TURBO, language, voice: VoiceModel::KOKORO };
    let machine = Machine::Gpu(*Gpu::named(gpu).unwrap(), models);
    Scenario { machine, mixes: vec![Mix::USUAL], seconds: 60.0, seeds: vec![1] }
}
