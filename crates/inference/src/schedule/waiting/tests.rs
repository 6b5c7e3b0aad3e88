//! The order of jobs that wait.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::schedule::{Tenant, Use};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn job(claim: Claim, since: Instant) -> Waiting {
    Waiting { claim, since, work: ms(100) }
}

#[test]
fn live_jobs_go_by_due_then_late_ones_then_batch() {
    let t0 = Instant::now();
    let now = t0 + ms(1_000);
    let claims = [
        Claim::batch(Tenant(1)),
        Claim::live(Tenant(1), now + ms(50)),
        Claim::live(Tenant(1), now + ms(900)),
        Claim::live(Tenant(1), now + ms(300)),
    ];
    let mut jobs: Vec<_> = claims.map(|claim| job(claim, t0)).to_vec();
    let mut line = Line::default();
    let mut order = Vec::new();
    while let Some(index) = line.pick(now, jobs.iter(), &Shares::default()) {
        order.push(jobs.remove(index).claim);
    }
    assert_eq!(order, [claims[3], claims[2], claims[1], claims[0]]);
}

#[test]
fn a_flood_of_urgent_jobs_does_not_push_a_tenant_below_its_share() {
    let now = Instant::now();
    let mut shares = Shares::default();
    let (flood, modest) = (Tenant(1), Tenant(2));
    shares.arrived(flood);
    shares.arrived(modest);
    shares.charge(flood, NonZeroU32::MIN, Use { audio_seconds: 60.0, tokens: 0.0 });
    let jobs =
        [job(Claim::live(flood, now + ms(200)), now), job(Claim::live(modest, now + ms(900)), now)];
    assert_eq!(Line::default().pick(now, jobs.iter(), &shares), Some(1));
}

#[test]
fn batch_jobs_get_slots_though_live_ones_never_end() {
    let t0 = Instant::now();
    let mut line = Line::default();
    let mut now = t0;
    for _ in 0..100 {
        now += ms(100);
        let urgent = job(Claim::live(Tenant(1), now + ms(500)), now);
        let batch = job(Claim::batch(Tenant(2)), t0);
        if line.pick(now, [urgent, batch].iter(), &Shares::default()) == Some(1) {
            return;
        }
    }
    panic!("never picked");
}

proptest! {
    /// Whatever weights and jobs, tenants that always have jobs waiting are given their shares to
    /// within the allowance and a job.
    #[test]
    fn shares_are_kept_to_within_a_bound(
        weights in proptest::collection::vec(1u32..8, 2..6),
        costs in proptest::collection::vec(0.1f64..30.0, 50..400),
        dues in proptest::collection::vec(200u64..5_000, 6),
    ) {
        let now = Instant::now();
        let mut shares = Shares::default();
        let mut line = Line::default();
        let tenants: Vec<_> = (0u64..).map(Tenant).take(weights.len()).collect();
        for &tenant in &tenants {
            shares.arrived(tenant);
        }
        let jobs: Vec<_> = tenants
            .iter()
            .zip(&dues)
            .map(|(&tenant, &due)| job(Claim::live(tenant, now + ms(due)), now))
            .collect();
        let mut given = vec![0.0; tenants.len()];
        for cost in costs {
            let index = line.pick(now, jobs.iter(), &shares).unwrap();
            let weight = NonZeroU32::new(weights[index]).unwrap();
            shares.charge(tenants[index], weight, Use { audio_seconds: cost, tokens: 0.0 });
            given[index] += cost / f64::from(weights[index]);
        }
        let most = given.iter().copied().fold(0.0, f64::max);
        let least = given.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert!(most - least <= 10.0 + 30.0 + 1e-9, "{given:?}");
    }
}
