//! The devices of a server, and which of them is at its limit first.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::Device;

/// The processors of a machine, and its GPUs. Cloning shares them.
///
/// A turn passes several of them; more calls find those first that work longest on each. GPUs take calls in
/// turn, so that each call is a part of one for each.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Where steps keep processors busy.
    pub processors: Device,
    /// Where each step takes all of a GPU, as CUDA numbers them.
    pub gpus: Vec<Device>,
    busiest: Arc<Mutex<Busiest>>,
}

/// How long processors and GPUs worked when that was last asked, and the sum of the longest times between.
#[derive(Debug, Default)]
struct Busiest {
    each: [Duration; 2],
    sum: Duration,
}

impl Devices {
    /// With so many processors for models, and so many GPUs.
    pub fn new(processors: NonZeroUsize, gpus: u32) -> Self {
        Self {
            processors: Device::processors(processors),
            gpus: (0..gpus).map(|_| Device::new(NonZeroUsize::MIN)).collect(),
            busiest: Arc::default(),
        }
    }

    /// Whether any lane asks one of them before it steps.
    pub fn is_shared(&self) -> bool {
        self.gpus.iter().chain([&self.processors]).any(Device::is_shared)
    }

    /// How long the busiest of them were at work for calls, since they began: of each time between two
    /// questions it is the processors or, in the mean, the GPUs, whichever worked longer.
    pub fn worked(&self) -> Duration {
        let gpus = u32::try_from(self.gpus.len()).unwrap_or(u32::MAX).max(1);
        let on_gpus: Duration = self.gpus.iter().map(Device::worked).sum();
        let now = [self.processors.worked(), on_gpus / gpus];
        let mut busiest = self.busiest.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.iter().zip(busiest.each).map(|(now, before)| now.saturating_sub(before));
        busiest.sum += since.max().unwrap_or_default();
        busiest.each = now;
        busiest.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_that_worked_longest_counts_each_time() {
        let devices = Devices::new(NonZeroUsize::MIN, 2);
        let worked = |processors: u64, gpu: u64| {
            devices.processors.set_worked(Duration::from_millis(processors));
            // In the mean.
            devices.gpus[0].set_worked(Duration::from_millis(gpu - 2));
            devices.gpus[1].set_worked(Duration::from_millis(gpu + 2));
            devices.worked().as_millis()
        };
        assert_eq!(worked(5, 3), 5);
        assert_eq!(worked(6, 13), 15, "now the GPU did more");
        assert_eq!(worked(6, 13), 15);
        assert_eq!(worked(9, 14), 18);
    }

    #[test]
    fn nobody_is_asked_before_a_lane_has_a_seat() {
        let devices = Devices::new(NonZeroUsize::MIN, 1);
        assert!(!devices.is_shared());
        let _seat = devices.gpus[0].seat();
        assert!(devices.is_shared());
    }
}
