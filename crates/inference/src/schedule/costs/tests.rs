//! What is learned of costs.

use proptest::prelude::*;

use super::*;

/// A pseudo-random number in 0..1 from a seed and an index: Weyl's sequence.
fn noise(seed: u32, i: u32) -> f64 {
    (f64::from(seed) * 0.618_034 + f64::from(i) * 0.754_877_666).fract()
}

fn learned(cost: Cost, steps: u32, jitter: f64) -> Costs {
    let mut costs = Costs::new(Cost::default());
    for i in 0..steps {
        let amount = f64::from(1 + i % 32);
        let took = cost.of(amount) * (1.0 + jitter * (noise(7, i) - 0.5));
        costs.measured(amount, seconds(took));
    }
    costs
}

#[test]
fn before_the_first_measurement_the_prior_is_believed() {
    let costs = Costs::new(Cost { fixed: 0.002, per_unit: 0.001 });
    assert_eq!(costs.mean(3.0), Duration::from_millis(5));
    assert!(costs.safe(3.0) >= costs.mean(3.0));
}

#[test]
fn one_measurement_is_enough_to_be_near() {
    let mut costs = Costs::new(Cost { fixed: 0.010, per_unit: 0.001 });
    costs.measured(10.0, Duration::from_millis(200));
    assert_eq!(costs.mean(10.0), Duration::from_millis(200));
    assert!(costs.mean(20.0) > Duration::from_millis(200));
}

#[test]
fn a_thread_that_lost_its_processor_once_changes_little() {
    let cost = Cost { fixed: 0.008, per_unit: 0.000_1 };
    let mut costs = learned(cost, 300, 0.1);
    costs.measured(8.0, Duration::from_secs(2));
    let off = costs.mean(8.0).as_secs_f64() / cost.of(8.0);
    assert!((0.95..1.05).contains(&off), "{off}");
}

#[test]
fn a_lasting_change_is_believed_soon() {
    let cost = Cost { fixed: 0.008, per_unit: 0.000_1 };
    let mut costs = learned(cost, 300, 0.1);
    for i in 0..150 {
        let amount = f64::from(1 + i % 32);
        costs.measured(amount, seconds(3.0 * cost.of(amount)));
    }
    let off = costs.mean(8.0).as_secs_f64() / (3.0 * cost.of(8.0));
    assert!((0.8..1.1).contains(&off), "{off}");
}

#[test]
fn about_95_of_100_steps_take_no_longer_than_is_safe() {
    let cost = Cost { fixed: 0.005, per_unit: 0.000_5 };
    let mut costs = learned(cost, 500, 0.4);
    let mut within = 0;
    for i in 0..2_000 {
        let amount = f64::from(1 + i % 32);
        let took = seconds(cost.of(amount) * (1.0 + 0.4 * (noise(3, i) - 0.5)));
        within += u32::from(took <= costs.safe(amount));
        costs.measured(amount, took);
    }
    let share = f64::from(within) / 2_000.0;
    assert!((0.9..=1.0).contains(&share), "{share}");
}

proptest! {
    #[test]
    fn an_affine_cost_is_found(
        fixed in 0.0f64..0.05, per_unit in 0.0f64..0.01, jitter in 0.0f64..0.2,
    ) {
        let cost = Cost { fixed, per_unit };
        prop_assume!(cost.of(16.0) > 0.000_1);
        let costs = learned(cost, 400, jitter);
        for amount in [1.0, 8.0, 32.0] {
            let error = (costs.mean(amount).as_secs_f64() - cost.of(amount)).abs();
            prop_assert!(error <= 0.15 * cost.of(16.0) + 1e-6, "{} {}", costs.cost().fixed, amount);
        }
    }

    #[test]
    fn whatever_is_measured_costs_stay_finite_and_grow_with_the_amount(
        measured in proptest::collection::vec((0.0f64..1e6, 0.0f64..100.0), 0..200),
    ) {
        let mut costs = Costs::new(Cost::default());
        for (amount, took) in measured {
            costs.measured(amount, seconds(took));
            let cost = costs.cost();
            prop_assert!(cost.fixed.is_finite() && cost.fixed >= 0.0);
            prop_assert!(cost.per_unit.is_finite() && cost.per_unit >= 0.0);
            prop_assert!(costs.safe(2.0) >= costs.mean(1.0));
        }
    }

    #[test]
    fn what_fits_a_limit_takes_no_longer_than_it(
        fixed in 0.0f64..0.05, per_unit in 0.000_1f64..0.01, limit in 0.0f64..1.0,
    ) {
        let costs = learned(Cost { fixed, per_unit }, 100, 0.1);
        let amount = costs.amount_within(seconds(limit));
        if amount > 0.0 && amount.is_finite() {
            prop_assert!(costs.safe(amount) <= seconds(limit) + Duration::from_micros(1));
        }
    }
}
