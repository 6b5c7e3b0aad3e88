//! What the process takes of its machine, under the names that Prometheus' own clients use.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Reads the kernel's figures at every scrape; says nothing where there are none.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) =
            cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
        {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time of the process, user and system.";
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        if let Some(bytes) =
            resident_bytes(&fs::read_to_string("/proc/self/status").unwrap_or_default())
        {
            let gauge = ConstGauge::new(bytes);
            let help = "Memory of the process that is in RAM.";
            gauge.encode(encoder.encode_descriptor(
                "process_resident_memory_bytes",
                help,
                None,
                gauge.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

/// Fields 14 and 15 of `proc_pid_stat(5)`, counted after the name in brackets, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second();
    #[expect(clippy::cast_precision_loss, reason = "ticks far below 2^52")]
    Some((user + system) as f64 / ticks as f64)
}

fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read_whatever_the_program_is_called() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat =
            format!("7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 {} {ticks} 0 0 20 0", 2 * ticks);
        assert_eq!(cpu_seconds(&stat), Some(3.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2048 * 1024));
        assert_eq!((cpu_seconds(""), resident_bytes("")), (None, None));
    }
}
