//! How many replies are best spoken at one go, by what that costs on this machine.

use std::time::Duration;

/// A step for several replies may take this many times as long as the most urgent one alone: the
/// latest that sharing ever makes it. A processor without room to spare takes twice as long for two
/// and so serves them one by one; a GPU takes hardly longer for many.
const LATER: f32 = 1.5;
/// Each time is the best of so many: what else the machine does only ever adds to it.
const TRIES: usize = 3;

/// How many parts are begun, and how many stretches made, at one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Together {
    pub(super) begin: usize,
    pub(super) next: usize,
}

impl Default for Together {
    /// One by one.
    fn default() -> Self {
        Self { begin: 1, next: 1 }
    }
}

/// The largest batch, a power of two up to `most`, that takes at most [`LATER`] times as long as one;
/// `time` tells how long a batch takes.
pub(super) fn worthwhile<E>(
    most: usize,
    mut time: impl FnMut(usize) -> Result<Duration, E>,
) -> Result<usize, E> {
    let mut best = |count| {
        let mut times = (0..TRIES).map(|_| time(count));
        times.try_fold(Duration::MAX, |best, time| Ok::<_, E>(best.min(time?)))
    };
    let mut count = 1;
    if most < 2 {
        return Ok(count);
    }
    let longest = best(1)?.mul_f32(LATER);
    while count * 2 <= most && best(count * 2)? <= longest {
        count *= 2;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(most: usize, ms: impl Fn(usize) -> usize) -> usize {
        let time = |count| Ok::<_, ()>(Duration::from_millis(ms(count) as u64));
        worthwhile(most, time).unwrap()
    }

    #[test]
    fn what_takes_twice_as_long_for_two_is_done_one_by_one() {
        assert_eq!(found(32, |count| 20 * count), 1);
        assert_eq!(found(32, |count| 6 + 14 * count), 1);
    }

    #[test]
    fn what_takes_hardly_longer_is_done_together_up_to_the_limit() {
        assert_eq!(found(32, |count| 20 + count / 8), 32);
        assert_eq!(found(6, |_| 20), 4);
        assert_eq!(found(32, |count| 20 + count), 8);
    }

    #[test]
    fn a_model_that_takes_one_at_a_time_is_not_tried() {
        assert_eq!(worthwhile(1, |_| Err("tried")), Ok(1));
    }

    #[test]
    fn one_slow_try_decides_nothing() {
        let mut tries = 0;
        let time = |_| {
            tries += 1;
            Ok::<_, ()>(Duration::from_millis(if tries % 3 == 1 { 900 } else { 20 }))
        };
        assert_eq!(worthwhile(8, time), Ok(8));
    }
}
