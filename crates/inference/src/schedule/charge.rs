//! What of a step one more caller's work would repeat.

use std::time::Duration;

use super::Cost;

/// A lane whose steps take in the work of all steps about so often when it has too much to do: twenty tokens a
/// second write a first clause in time.
const PACE: Duration = Duration::from_millis(50);

/// How long a step counts that took so long and came so long after the lane's last one.
///
/// What such a step takes whatever is in it (weights read, launches) is not any caller's: with more callers there
/// are not more steps but fuller ones. A device that steps whenever there is work looks busy with few callers; of what
/// its steps take anyhow, only what it needs at [`PACE`] counts.
pub(super) fn charge(cost: Cost, took: Duration, since_last: Option<Duration>) -> Duration {
    let anyhow = took.min(Duration::from_secs_f64(cost.fixed.clamp(0.0, 3_600.0)));
    let since_last = since_last.unwrap_or(PACE).max(took).min(PACE);
    took - anyhow + anyhow.mul_f64(since_last.as_secs_f64() / PACE.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { fixed: 0.020, per_unit: 0.001 };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn steps_in_a_row_count_what_grows_and_what_is_needed_of_the_rest() {
        // Two fifths of the 20 ms, and the 5.
        assert_eq!(charge(COST, ms(25), Some(ms(20))), ms(15));
        assert_eq!(charge(COST, ms(25), Some(ms(40))), ms(21));
    }

    #[test]
    fn a_step_alone_counts_whole() {
        assert_eq!(charge(COST, ms(25), None), ms(25));
        assert_eq!(charge(COST, ms(25), Some(ms(900))), ms(25));
    }

    #[test]
    fn what_costs_nothing_by_itself_counts_whole() {
        let cost = Cost { fixed: 0.0, per_unit: 0.001 };
        assert_eq!(charge(cost, ms(25), Some(ms(25))), ms(25));
        assert_eq!(charge(COST, ms(8), Some(ms(8))), ms(8).mul_f64(0.16));
    }
}
