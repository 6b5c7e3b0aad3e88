//! What of a step one more caller's work would repeat.

use std::time::Duration;

use super::Cost;

/// How long a step counts that took so long and came so long after the lane's last one.
///
/// What such a step takes whatever is in it (weights read, launches) is not any caller's: with more callers there
/// are not more steps but fuller ones. A device that steps whenever there is work looks busy with few callers; of what
/// its steps take anyhow, only what it needs at its pace counts.
pub(super) fn charge(cost: Cost, took: Duration, since_last: Duration, pace: Duration) -> Duration {
    let anyhow = took.min(Duration::from_secs_f64(cost.fixed.clamp(0.0, 3_600.0)));
    let part = since_last.max(took).as_secs_f64() / pace.as_secs_f64();
    took.saturating_sub(anyhow) + anyhow.mul_f64(part.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { fixed: 0.020, per_unit: 0.001 };

    const PACE: Duration = Duration::from_millis(50);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn steps_in_a_row_count_what_grows_and_what_is_needed_of_the_rest() {
        // Two fifths of the 20 ms, and the 5.
        assert_eq!(charge(COST, ms(25), ms(20), PACE), ms(15));
        assert_eq!(charge(COST, ms(25), ms(40), PACE), ms(21));
    }

    #[test]
    fn a_step_alone_counts_whole() {
        assert_eq!(charge(COST, ms(25), PACE, PACE), ms(25));
        assert_eq!(charge(COST, ms(25), ms(900), PACE), ms(25));
    }

    #[test]
    fn what_costs_nothing_by_itself_counts_whole() {
        let cost = Cost { fixed: 0.0, per_unit: 0.001 };
        assert_eq!(charge(cost, ms(25), ms(25), PACE), ms(25));
        assert_eq!(charge(COST, ms(8), ms(8), PACE), ms(8).mul_f64(0.16));
    }
}
