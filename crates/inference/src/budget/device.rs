//! A memory that models are loaded into.

use std::fmt;

/// What kind of memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A GPU's own.
    Gpu,
    /// The machine's, for models that run on the processor.
    Host,
}

/// A device, as it is before anything is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What people call it.
    pub name: String,
    /// What kind of memory it has.
    pub kind: Kind,
    /// All of its memory, bytes.
    pub total_bytes: u64,
    /// What nobody uses, bytes.
    pub free_bytes: u64,
    /// The part of a GPU that this process is confined to.
    pub slice: Option<Slice>,
}

/// A part of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// A Multi-Instance GPU: its memory and its compute units are its own.
    Mig {
        /// Its UUID, as `CUDA_VISIBLE_DEVICES` names it.
        uuid: String,
    },
    /// Limits of the Multi-Process Service for this process.
    Mps {
        /// `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`: the part of the compute units.
        threads_percent: Option<u8>,
        /// `CUDA_MPS_PINNED_DEVICE_MEM_LIMIT` for this device, bytes.
        memory_bytes: Option<u64>,
    },
}

impl Device {
    /// Bytes that may be used: what is free, and no more than a slice allows.
    pub fn usable_bytes(&self) -> u64 {
        match &self.slice {
            Some(Slice::Mps { memory_bytes: Some(limit), .. }) => self.free_bytes.min(*limit),
            Some(Slice::Mps { memory_bytes: None, .. } | Slice::Mig { .. }) | None => {
                self.free_bytes
            }
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mig { uuid } => write!(f, "MIG instance {uuid}"),
            Self::Mps { threads_percent, memory_bytes } => {
                f.write_str("under MPS")?;
                if let Some(percent) = threads_percent {
                    write!(f, ", {percent} % of its threads")?;
                }
                if let Some(bytes) = memory_bytes {
                    write!(f, ", {} of its memory", super::Bytes(*bytes))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_limit_is_all_that_may_be_used() {
        let device = |memory_bytes| Device {
            name: "gpu".into(),
            kind: Kind::Gpu,
            total_bytes: 100,
            free_bytes: 80,
            slice: Some(Slice::Mps { threads_percent: Some(30), memory_bytes }),
        };
        assert_eq!(device(Some(50)).usable_bytes(), 50);
        assert_eq!(device(Some(90)).usable_bytes(), 80);
        assert_eq!(device(None).usable_bytes(), 80);
    }

    #[test]
    fn a_slice_says_what_it_is() {
        let mps = Slice::Mps { threads_percent: Some(30), memory_bytes: Some(3 << 30) };
        assert_eq!(mps.to_string(), "under MPS, 30 % of its threads, 3.00 GiB of its memory");
        assert_eq!(Slice::Mig { uuid: "MIG-1".into() }.to_string(), "MIG instance MIG-1");
    }
}
