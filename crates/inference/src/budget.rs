//! One ledger of memory for all models of a machine: what each device holds, decided before anything is
//! loaded.
//!
//! Pure: [`Device`]s and [`Footprint`]s are given, and a [`Placement`] or the sum that shows why there is
//! none comes back. The same question has the same answer.

mod device;
mod footprint;
mod ledger;
mod packing;
mod work;

pub use device::{Device, Kind, Slice};
pub use footprint::{Bytes, Footprint, Item, Part};
pub use ledger::{Entry, Ledger, OverBudget};
pub use work::Work;

use packing::Packing;

/// A model that is to run.
#[derive(Clone, Debug)]
pub struct Demand {
    /// The model's name.
    pub model: String,
    /// Where it may run and what it needs there, the best first; not empty.
    pub choices: Vec<Choice>,
    /// How many of it are to run, at least one. They go to different devices as far as there are any.
    pub replicas: u32,
    /// Whether every call needs it: the first replicas of all such models are kept on one device where they
    /// fit, and so are the second.
    pub is_of_call: bool,
}

/// A kind of device that a model may run on.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The kind.
    pub on: Kind,
    /// What one replica needs there.
    pub footprint: Footprint,
    /// How busy all replicas are together; `None` where it is not known, and then only memory counts.
    pub work: Option<Work>,
}

/// Where one replica of a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The model's number among the demands.
    pub demand: usize,
    /// Which of its replicas, from 0.
    pub replica: u32,
    /// Which of its choices it is.
    pub choice: usize,
    /// The number of the device.
    pub device: usize,
}

/// Where every model runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// A seat for each replica, in the order of the demands.
    pub seats: Vec<Seat>,
    /// What each device holds then, in the order of the devices.
    pub ledgers: Vec<Ledger>,
}

/// The memory of a machine's devices, less what is left to others.
#[derive(Clone, Debug)]
pub struct Budget {
    devices: Vec<Device>,
    reserve: u64,
}

impl Budget {
    /// A ledger for these devices that leaves `reserve` bytes of each one's free memory alone.
    pub fn new(devices: Vec<Device>, reserve: u64) -> Self {
        Self { devices, reserve }
    }

    /// Its devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Places every replica of every model.
    ///
    /// A model runs on its first choice unless no way is found to give all models theirs. Models of calls
    /// stay together where they fit; then the device that is least busy is taken, by the duty cycles of
    /// "squishy bin packing" (Shen et al., "Nexus", SOSP 2019), and one that has no replica of the model yet.
    /// Memory is a limit, the time that devices have is not: who asks for too much of it sees shares above 1
    /// in the ledgers.
    ///
    /// Whatever fits on one device altogether is placed. Beyond that packing is by rules of thumb: a
    /// placement that exists for several devices may be missed when they are nearly full.
    pub fn place(&self, demands: &[Demand]) -> Result<Placement, OverBudget> {
        Packing::new(&self.devices, self.reserve, demands).run()
    }
}

#[cfg(test)]
mod tests;
