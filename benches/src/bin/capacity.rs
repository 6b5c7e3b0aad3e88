//! How many calls a device carries, in virtual time.

use std::{env, num::NonZeroUsize, process::ExitCode, time::Instant};

use trunkline_benches::simulation::{
    Cluster, Counts, Floor, Machine, Mix, OURS, Offered, Order, Scenario, best_migs, best_split,
    carried, carried_by_oracle, devices_needed,
};
use trunkline_inference::capacity::{Gpu, LanguageModel, Models, Recognizer, VoiceModel};

/// Calls of the cluster.
const MANY: usize = 10_000;
const SEEDS: [u64; 3] = [1, 2, 3];

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("device") => device(),
        Some("mixes") => mixes(),
        Some("cluster") => cluster(),
        _ => {
            say("usage: capacity device | mixes | cluster");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// One device of each kind under usual calls.
fn device() {
    for (name, machine) in kinds() {
        row(name, &scenario(machine, &[Mix::USUAL], 120.0));
    }
    row("two cores, `tiny`", &scenario(Machine::TwoCores, &[Mix::USUAL], 600.0));
}

/// One A100 under calls of other kinds, and of kinds that follow one another.
fn mixes() {
    let (_, machine) = kinds()[0];
    let day = [Mix::STORIES, Mix::LOOKED_UP, Mix::ANNOUNCEMENTS];
    for (name, mixes, seconds) in [
        ("hurried", &[Mix::HURRIED][..], 120.0),
        ("stories", &day[..1], 120.0),
        ("looked up", &day[1..2], 120.0),
        ("announcements", &day[2..], 120.0),
        ("one after the other", &day[..], 180.0),
    ] {
        row(name, &scenario(machine, mixes, seconds));
    }
}

/// The fewest devices for ten thousand calls, and what admission lets into one that is offered too many.
fn cluster() {
    for (name, machine) in kinds() {
        let one = carried(&scenario(machine, &[Mix::USUAL], 120.0), OURS).max(1);
        let least = (MANY / one).max(1);
        let open = Cluster { machine, devices: least, admission: None };
        let needed = devices_needed(open, MANY, &Mix::USUAL, least);
        say(&format!("{name}: {needed:?} devices for {MANY} calls; one carries {one}"));
        for counts in [Counts::AllTime, Counts::Charged] {
            let crowded = Cluster { devices: 2, admission: Some(counts), ..open };
            let Offered { admitted, turns, good } = crowded.offered(one * 3, &Mix::USUAL, 1);
            say(&format!(
                "  of {} offered to two, told {counts:?}: {admitted} let in, {good} of {turns} turns good",
                one * 3
            ));
        }
    }
}

fn kinds() -> [(&'static str, Machine); 4] {
    let on = |gpu: &str, language: &str| {
        let gpu = *Gpu::named(gpu).expect("a known GPU");
        let language = *LanguageModel::named(language).expect("a known model");
        let (recognizer, voice) = (Recognizer::TURBO, VoiceModel::KOKORO);
        Machine::Gpu(gpu, Models { recognizer, language, voice })
    };
    [
        ("a100, 8b-bf16", on("a100", "8b-bf16")),
        ("a100, 4b-q4", on("a100", "4b-q4")),
        ("h100, 8b-bf16", on("h100", "8b-bf16")),
        ("l40s, 4b-q4", on("l40s", "4b-q4")),
    ]
}

fn scenario(machine: Machine, mixes: &[Mix], seconds: f64) -> Scenario {
    Scenario { machine, mixes: mixes.to_vec(), seconds, seeds: SEEDS.to_vec() }
}

/// What each way to share carries.
fn row(name: &str, scenario: &Scenario) {
    let began = Instant::now();
    let ours = carried(scenario, OURS);
    let on = |floor| carried(scenario, floor);
    let widths = [NonZeroUsize::MIN, NonZeroUsize::MIN.saturating_add(2)]
        .map(|width| on(Floor::InTurn(Order::Schedule(width))));
    let [first_come, first_due] = [Order::FirstCome, Order::FirstDue].map(Floor::InTurn).map(on);
    let sliced = on(Floor::Sliced);
    let (parts, split) = best_split(scenario);
    let (mig, oracle) = (best_migs(scenario), carried_by_oracle(scenario));
    let figures = scenario.run(ours, SEEDS[0], OURS);
    say(&format!(
        "{name}: ours {ours} (1, 3 wide: {widths:?}) (p50 {:.2} p95 {:.2} s), first come {first_come}, first due {first_due}, sliced \
         {sliced}, split {split} {parts:.2?}, MIG {mig}, oracle {oracle}; {:.0} s",
        figures.latency(0.5),
        figures.latency(0.95),
        began.elapsed().as_secs_f64(),
    ));
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn say(line: &str) {
    println!("{line}");
}
