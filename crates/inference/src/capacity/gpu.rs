//! The kinds of GPU that are known.

/// A kind of GPU, by its maker's data sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gpu {
    /// What it is called on a command line.
    pub name: &'static str,
    /// What its maker calls it.
    pub label: &'static str,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Bytes a second to and from it.
    pub bandwidth: f64,
    /// Dense operations a second in 16-bit floating point on tensor cores.
    pub flops: f64,
}

/// The known kinds. The figures are those of NVIDIA's data sheets: A100 (2021), H100 (2023), H200 (2024), L4,
/// L40S (2023), A10 (2021). Where a sheet gives operations with sparsity, half of them.
pub const GPUS: [Gpu; 7] = [
    gpu("a100", "A100 80 GB SXM", 80, 2_039.0, 312.0),
    gpu("a100-40", "A100 40 GB SXM", 40, 1_555.0, 312.0),
    gpu("h100", "H100 80 GB SXM", 80, 3_350.0, 989.0),
    gpu("h200", "H200 141 GB SXM", 141, 4_800.0, 989.0),
    gpu("l40s", "L40S 48 GB", 48, 864.0, 362.0),
    gpu("l4", "L4 24 GB", 24, 300.0, 121.0),
    gpu("a10", "A10 24 GB", 24, 600.0, 125.0),
];

const fn gpu(name: &'static str, label: &'static str, gb: u64, gbps: f64, tflops: f64) -> Gpu {
    let memory_bytes = gb * 1_000_000_000;
    Gpu { name, label, memory_bytes, bandwidth: gbps * 1e9, flops: tflops * 1e12 }
}

impl Gpu {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        GPUS.iter().find(|gpu| gpu.name.eq_ignore_ascii_case(name))
    }

    /// The part of it that has `compute` of its arithmetic and `memory` of its bandwidth and memory.
    #[must_use]
    pub fn part(self, compute: f64, memory: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "bytes of a part"
        )]
        let memory_bytes = (self.memory_bytes as f64 * memory) as u64;
        let (bandwidth, flops) = (self.bandwidth * memory, self.flops * compute);
        Self { memory_bytes, bandwidth, flops, ..self }
    }
}
