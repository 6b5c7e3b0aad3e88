//! The machine that a program runs on, for records of measurements.

use std::fs;

use serde::Serialize;

/// What a measurement should say about its machine.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// Cores that this program may use.
    pub(crate) cores: usize,
    /// Memory, bytes.
    pub(crate) memory_bytes: u64,
    /// The driver of its GPUs, where one is loaded.
    pub(crate) gpu_driver: Option<String>,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn look() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cpu: field(&cpus, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: field(&memory, "MemTotal")
                .and_then(|text| kibibytes(&text))
                .unwrap_or_default(),
            gpu_driver: crate::gpu::driver(),
        }
    }
}

/// The value of `name: value`, as in the files of `/proc`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let cpus = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\n";
        assert_eq!(field(cpus, "model name").as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!(
            field("MemTotal:       24 kB\n", "MemTotal").and_then(|t| kibibytes(&t)),
            Some(24 * 1024)
        );
        assert_eq!(field("", "model name"), None);
        assert!(Machine::look().cores >= 1);
    }
}
