//! How many cores are free: threads of llama.cpp wait for each other spinning, so that one thread
//! without a core of its own costs more than it brings.

use std::{fs, thread, time::Duration};

/// A core that is taken is looked at again this often, and this much later: most tasks of a call
/// (a packet, a window of voice activity) run for less.
const LOOKS: usize = 4;
const BETWEEN_LOOKS: Duration = Duration::from_micros(300);

/// The cores of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    all: usize,
}

impl Cores {
    /// Those that the kernel counts; none where it does not tell, and then all are taken to be free.
    pub(crate) fn of_machine() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self { all: count_cores(&stat) }
    }

    /// How many of `wanted` threads find a core that nothing else is running on, this moment; the
    /// caller's own counts as free.
    pub(crate) fn free_for(self, wanted: usize) -> usize {
        let look = || {
            let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
            free(self.all, running(&load), wanted)
        };
        let mut most = look();
        for _ in 1..LOOKS {
            if most >= wanted {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
            most = most.max(look());
        }
        most
    }
}

fn free(all: usize, running: Option<usize>, wanted: usize) -> usize {
    match running {
        Some(running) if all > 0 => wanted.min((all + 1).saturating_sub(running)).max(1),
        Some(_) | None => wanted,
    }
}

/// The tasks that run or could, from the fourth field of `/proc/loadavg` (proc(5)).
fn running(load: &str) -> Option<usize> {
    load.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

/// The lines of `/proc/stat` that are a core's.
fn count_cores(stat: &str) -> usize {
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    stat.lines().filter(numbered).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_else_runs_takes_cores_away_but_never_the_last_one() {
        // Of two cores: alone, with one other task, with many.
        assert_eq!(free(2, Some(1), 2), 2);
        assert_eq!(free(2, Some(2), 2), 1);
        assert_eq!(free(2, Some(9), 2), 1);
        assert_eq!(free(64, Some(3), 2), 2);
    }

    #[test]
    fn a_kernel_that_does_not_tell_takes_no_cores_away() {
        assert_eq!(free(2, None, 2), 2);
        assert_eq!(free(0, Some(5), 4), 4);
        assert_eq!(running(""), None);
    }

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(running("0.20 0.18 0.12 3/380 11206\n"), Some(3));
        assert_eq!(count_cores("cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n"), 2);
    }
}
