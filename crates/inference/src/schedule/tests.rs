//! The laws of the schedule.

use proptest::prelude::*;

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn schedule(width: usize) -> Schedule {
    Schedule::new(NonZeroUsize::new(width).unwrap())
}

fn step_of(cost: Duration) -> Cost {
    Cost { fixed: cost.as_secs_f64(), per_unit: 0.0 }
}

fn request(claim: Claim) -> Request {
    Request { claim, step: Step { kind: 0, amount: 1.0, pace: None }, left: 1.0 }
}

#[test]
fn the_least_slack_goes_first_not_the_first_due() {
    let now = Instant::now();
    let mut schedule = schedule(1);
    let (quick, long) = (schedule.lane(step_of(ms(1))), schedule.lane(step_of(ms(10))));
    schedule.ask(now, quick, request(Claim::live(Tenant(1), now + ms(80))));
    let much = Request { left: 9.0, ..request(Claim::live(Tenant(1), now + ms(100))) };
    schedule.ask(now, long, much);
    assert_eq!(schedule.next(now), Some(long));
    assert_eq!(schedule.next(now), None, "one at a time");
}

#[test]
fn what_cannot_be_met_yields_until_it_has_aged() {
    let t0 = Instant::now();
    let mut schedule = schedule(1);
    let (hopeless, hopeful) = (schedule.lane(step_of(ms(10))), schedule.lane(step_of(ms(10))));
    schedule.ask(t0, hopeless, request(Claim::live(Tenant(1), t0)));
    let mut now = t0;
    loop {
        schedule.ask(now, hopeful, request(Claim::live(Tenant(1), now + ms(20))));
        let lane = schedule.next(now).unwrap();
        if lane == hopeless {
            break;
        }
        now += ms(10);
        schedule.done(now, lane);
    }
    assert!(now - t0 >= rank::PATIENCE && now - t0 <= rank::PATIENCE + ms(10), "{:?}", now - t0);
}

#[test]
fn among_equally_urgent_claims_whoever_was_given_least_goes_first() {
    let now = Instant::now();
    let mut schedule = schedule(1);
    let (first, second) = (schedule.lane(step_of(ms(1))), schedule.lane(step_of(ms(1))));
    schedule.shares.arrived(Tenant(1));
    schedule.shares.arrived(Tenant(2));
    let used = Use { audio_seconds: 100.0, tokens: 0.0 };
    schedule.shares.charge(Tenant(1), std::num::NonZeroU32::MIN, used);
    schedule.ask(now, first, request(Claim::live(Tenant(1), now + ms(50))));
    schedule.ask(now, second, request(Claim::live(Tenant(2), now + ms(50))));
    assert_eq!(schedule.next(now), Some(second));
}

#[test]
fn a_lane_asks_with_the_most_urgent_claim_that_can_be_met() {
    let now = Instant::now();
    let mut schedule = schedule(1);
    let lane = schedule.lane(step_of(ms(10)));
    let at = |n| Claim::live(Tenant(1), now + ms(n));
    let step = Step { kind: 0, amount: 1.0, pace: None };
    let claims = [(Claim::batch(Tenant(1)), 1.0), (at(5), 1.0), (at(200), 15.0), (at(100), 2.0)];
    let asked = schedule.most_urgent(now, lane, step, claims).unwrap();
    assert_eq!((asked.claim, asked.left), claims[2]);
    let asked = schedule.most_urgent(now, lane, step, claims[..2].iter().copied()).unwrap();
    assert_eq!(asked.claim, claims[1].0);
    assert!(schedule.most_urgent(now, lane, step, []).is_none());
}

#[test]
fn live_work_with_slack_lets_batch_work_have_its_share_and_loses_nothing() {
    let t0 = Instant::now();
    let mut schedule = schedule(1);
    let (live, batch) = (schedule.lane(step_of(ms(10))), schedule.lane(step_of(ms(30))));
    let mut now = t0;
    let mut due = t0;
    while now < t0 + Duration::from_mins(1) {
        if due <= now + ms(90) {
            due = now + ms(100);
        }
        schedule.ask(now, live, request(Claim::live(Tenant(1), due)));
        schedule.ask(now, batch, request(Claim::batch(Tenant(2))));
        let lane = schedule.next(now).unwrap();
        now += if lane == live { ms(10) } else { ms(30) };
        assert!(lane == batch || now <= due, "a live step was late by {:?}", now - due);
        schedule.done(now, lane);
    }
    let share = schedule.used(batch).as_secs_f64() / 60.0;
    assert!((0.03..0.08).contains(&share), "{share}");
}

#[test]
fn batch_steps_are_kept_as_small_as_live_claims_are_tight() {
    let now = Instant::now();
    let mut schedule = schedule(1);
    let live = schedule.lane(step_of(ms(1)));
    let batch = schedule.lane(Cost { fixed: 0.0, per_unit: 0.001 });
    let before = schedule.batch_amount(batch, 0);
    schedule.ask(now, live, request(Claim::live(Tenant(1), now + ms(21))));
    let after = schedule.batch_amount(batch, 0);
    assert!(before > 50.0 && after <= 10.0 && after > 5.0, "{before} {after}");
}

#[test]
fn done_or_cancelled_without_a_grant_is_harmless() {
    let now = Instant::now();
    let mut schedule = schedule(1);
    let lane = schedule.lane(Cost::default());
    assert_eq!(schedule.done(now, lane), None);
    schedule.cancel(lane);
    schedule.withdraw(lane);
    schedule.ask(now, lane, request(Claim::batch(Tenant(1))));
    assert_eq!(schedule.done(now, lane), None, "asked is not granted");
    assert_eq!(schedule.next(now), Some(lane));
    schedule.cancel(lane);
    assert_eq!(schedule.used(lane), Duration::ZERO);
    assert_eq!(schedule.next(now), None);
}

/// Lanes that ask again and again, each with steps of its own cost and claims of its own slack.
#[derive(Clone, Debug)]
struct World {
    width: usize,
    lanes: Vec<Load>,
}

/// What one lane does.
#[derive(Clone, Debug)]
struct Load {
    /// What a step takes, milliseconds.
    cost: u64,
    /// How long after it asks a step is due, milliseconds; `None` is batch work.
    within: Option<u64>,
    /// How long it rests between steps, milliseconds.
    rest: u64,
    tenant: u64,
}

fn load() -> impl Strategy<Value = Load> {
    (1u64..40, proptest::option::of(0u64..400), 0u64..60, 0u64..3)
        .prop_map(|(cost, within, rest, tenant)| Load { cost, within, rest, tenant })
}

fn world() -> impl Strategy<Value = World> {
    (1usize..4, proptest::collection::vec(load(), 1..7))
        .prop_map(|(width, lanes)| World { width, lanes })
}

/// One grant: which lane, how long it had waited and how many were free before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grant {
    lane: usize,
    at: Duration,
    waited: Duration,
}

/// Runs the world for a while of virtual time, a millisecond at a time.
fn run(world: &World, until: u64) -> Vec<Grant> {
    let t0 = Instant::now();
    let mut schedule = schedule(world.width);
    let ids: Vec<_> =
        world.lanes.iter().map(|load| schedule.lane(step_of(ms(load.cost)))).collect();
    let mut asks_at: Vec<Option<u64>> = vec![Some(0); ids.len()];
    let mut waits_since: Vec<Option<u64>> = vec![None; ids.len()];
    let mut ends_at: Vec<Option<u64>> = vec![None; ids.len()];
    let mut grants = Vec::new();
    for tick in 0..until {
        let now = t0 + ms(tick);
        for (i, load) in world.lanes.iter().enumerate() {
            if ends_at[i] == Some(tick) {
                ends_at[i] = None;
                asks_at[i] = Some(tick + load.rest);
                assert_eq!(schedule.done(now, ids[i]).unwrap().took, ms(load.cost));
            }
            if asks_at[i] == Some(tick) {
                let class = load.within.map_or(Class::Batch, |n| Class::Live { due: now + ms(n) });
                let claim = Claim { class, ..Claim::batch(Tenant(load.tenant)) };
                schedule.ask(now, ids[i], request(claim));
                (asks_at[i], waits_since[i]) = (None, Some(tick));
            }
        }
        while let Some(lane) = schedule.next(now) {
            let i = ids.iter().position(|&id| id == lane).unwrap();
            let since = waits_since[i].take().expect("granted without asking");
            ends_at[i] = Some(tick + world.lanes[i].cost);
            grants.push(Grant { lane: i, at: ms(tick), waited: ms(tick - since) });
        }
        let running = ends_at.iter().flatten().count();
        let waiting = waits_since.iter().flatten().count();
        assert!(running <= world.width);
        assert!(running == world.width || waiting == 0, "idle while {waiting} wait");
    }
    for (lane, since) in waits_since.iter().enumerate() {
        let Some(since) = since else { continue };
        grants.push(Grant { lane, at: ms(until), waited: ms(until - since) });
    }
    grants
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No request waits for ever, whatever the load; and `run` sees that nothing idles meanwhile.
    #[test]
    fn every_request_is_granted_within_a_bound(world in world()) {
        let longest = world.lanes.iter().map(|load| load.cost).max().unwrap();
        let lanes = u64::try_from(world.lanes.len()).unwrap();
        for grant in run(&world, 30_000) {
            let bound = match world.lanes[grant.lane].within {
                // Due, then patient, then behind every other aged one.
                Some(within) => within + 250 + 2 * lanes * longest,
                // A twentieth of the device among the batch lanes, four steps owed.
                None => 20 * (4 + lanes) * 2 * longest + lanes * longest,
            };
            prop_assert!(grant.waited <= ms(bound), "{grant:?} of {:?}", world.lanes[grant.lane]);
        }
    }

    #[test]
    fn the_same_requests_are_granted_alike(world in world()) {
        prop_assert_eq!(run(&world, 3_000), run(&world, 3_000));
    }

    /// With slack for any one batch step and live work that alone would be in time, batch work makes
    /// no live step late.
    #[test]
    fn batch_work_makes_no_live_step_late(
        live in proptest::collection::vec((1u64..5, 20u64..60), 1..4),
        batch in proptest::collection::vec(1u64..40, 1..3),
    ) {
        let work: u64 = live.iter().map(|(cost, _)| cost).sum();
        let step = batch.iter().max().unwrap();
        let within = 2 * work + step + 5;
        let lives = live.iter().map(|&(cost, rest)| Load {
            cost, within: Some(within), rest: rest + work * 2, tenant: 0,
        });
        let batches = batch.iter().map(|&cost| Load { cost, within: None, rest: 0, tenant: 1 });
        let world = World { width: 1, lanes: lives.chain(batches).collect() };
        for grant in run(&world, 5_000) {
            let load = &world.lanes[grant.lane];
            if load.within.is_some() {
                prop_assert!(grant.waited + ms(load.cost) <= ms(within), "{grant:?}");
            }
        }
    }
}
