//! How busy a model keeps a device: the batching profile and duty cycle of Nexus.
//!
//! Shen et al., "Nexus: A GPU Cluster Engine for Accelerating DNN-Based Video Analysis", SOSP 2019, 4.1 and
//! 6.1: the time of a step grows linearly with its batch; a model gathers items for one duty cycle and works
//! them off in one step, and models share a device when the steps of all fit into the shortest cycle of any.

use std::time::Duration;

/// How long a model's steps take, how many items come, and by when each must be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// The time of a step whatever its batch.
    pub step: Duration,
    /// The time of each item in it.
    pub step_per_item: Duration,
    /// Items of the largest batch; at least 1.
    pub most_items: u32,
    /// The time from an item's coming to its being done.
    pub deadline: Duration,
    /// Items a second, for all replicas together.
    pub rate_hz: f64,
}

impl Work {
    /// Items a second that a device of its own sustains: of the largest batch that can wait for a step
    /// before its own and still be in time.
    pub fn peak_hz(&self) -> f64 {
        let batch = self.largest(|step, _| 2.0 * step <= self.deadline.as_secs_f64());
        f64::from(batch) / self.step_seconds(batch)
    }

    /// Replicas, each with a device of its own, that the rate takes; at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from f64 saturates"
    )]
    pub fn replicas(&self) -> u32 {
        ((self.rate_hz / self.peak_hz()).ceil() as u32).max(1)
    }

    /// What one of so many replicas has to do.
    pub(crate) fn of_one(self, replicas: u32) -> Self {
        Self { rate_hz: self.rate_hz / f64::from(replicas.max(1)), ..self }
    }

    /// Seconds for which it may gather items.
    fn cycle(&self) -> f64 {
        let deadline = self.deadline.as_secs_f64();
        let gathered = |batch: u32| f64::from(batch) / self.rate_hz.max(f64::MIN_POSITIVE);
        let batch = self.largest(|step, batch| step + gathered(batch) <= deadline);
        let step = self.step_seconds(batch);
        gathered(batch).min((deadline - step).max(step))
    }

    /// The largest batch that `is_in_time`, told its seconds and its items; at least 1.
    fn largest(&self, is_in_time: impl Fn(f64, u32) -> bool) -> u32 {
        let (mut least, mut most) = (1, self.most_items.max(1));
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            if is_in_time(self.step_seconds(middle), middle) {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        least
    }

    fn step_seconds(&self, batch: u32) -> f64 {
        let step = self.step.as_secs_f64() + self.step_per_item.as_secs_f64() * f64::from(batch);
        step.max(f64::MIN_POSITIVE)
    }
}

/// The part of a device's time that these models take together, each as busy as it says; above 1 some are
/// late.
pub(crate) fn share(works: &[Work]) -> f64 {
    let works = works.iter().filter(|work| work.rate_hz > 0.0);
    let cycle = works.clone().map(Work::cycle).fold(f64::INFINITY, f64::min);
    let steps = works.map(|work| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from f64 saturates"
        )]
        let batch = (cycle * work.rate_hz).ceil().max(1.0) as u32;
        // A batch that is too large is several steps.
        let whole = f64::from(batch / work.most_items.max(1));
        let rest = batch % work.most_items.max(1);
        let rest = if rest == 0 { 0.0 } else { work.step_seconds(rest) };
        whole * work.step_seconds(work.most_items.max(1)) + rest
    });
    steps.sum::<f64>() / cycle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn work(step: u64, each: u64, deadline: u64, rate_hz: f64) -> Work {
        Work {
            step: MS(step),
            step_per_item: MS(each),
            most_items: 64,
            deadline: MS(deadline),
            rate_hz,
        }
    }

    #[test]
    fn the_peak_is_that_of_the_largest_batch_in_time() {
        // 10 + 5 x 8 = 50 ms, twice that within 100 ms: 8 items in 50 ms.
        assert!((work(10, 5, 100, 0.0).peak_hz() - 160.0).abs() < 1e-9);
        assert_eq!(work(10, 5, 100, 160.0).replicas(), 1);
        assert_eq!(work(10, 5, 100, 161.0).replicas(), 2);
    }

    #[test]
    fn a_model_that_nothing_is_asked_of_takes_no_time() {
        assert!(share(&[work(10, 5, 100, 0.0)]).abs() < 1e-9);
        assert!(share(&[]).abs() < 1e-9);
    }

    #[test]
    fn a_deadline_that_no_step_keeps_is_a_share_above_one() {
        assert!(share(&[work(200, 5, 100, 50.0)]) > 1.0);
    }

    proptest! {
        #[test]
        fn replicas_sustain_the_rate_and_one_fewer_does_not(
            (step, each, deadline) in (1_u64..50, 1_u64..20, 100_u64..1000),
            rate in 0.1_f64..200.0,
        ) {
            let work = work(step, each, deadline, rate);
            let replicas = f64::from(work.replicas());
            prop_assert!(rate <= work.peak_hz() * replicas * (1.0 + 1e-9));
            prop_assert!(replicas < 2.0 || rate > work.peak_hz() * (replicas - 1.0));
        }

        #[test]
        fn what_fits_beside_another_fits_alone(
            steps in proptest::collection::vec((1_u64..20, 1_u64..5, 100_u64..400, 0.1_f64..40.0), 1..5),
        ) {
            let works: Vec<_> =
                steps.into_iter().map(|(s, e, d, r)| work(s, e, d, r)).collect();
            if share(&works) <= 1.0 {
                for work in works {
                    prop_assert!(share(&[work]) <= 1.0);
                }
            }
        }
    }
}
