//! The devices of a server, and which of them is at its limit first.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::Device;

/// The processors of a machine, and its GPU. Cloning shares them.
///
/// A turn passes several of them; more calls find the one first that works longest on each.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Where steps keep processors busy.
    pub processors: Device,
    /// Where each step takes all of a GPU.
    pub gpu: Device,
    busiest: Arc<Mutex<Busiest>>,
}

/// How long the devices worked when that was last asked, and the sum of the longest times between.
#[derive(Debug, Default)]
struct Busiest {
    each: [Duration; 2],
    sum: Duration,
}

impl Devices {
    /// With so many processors for models.
    pub fn new(processors: NonZeroUsize) -> Self {
        Self {
            processors: Device::processors(processors),
            gpu: Device::new(NonZeroUsize::MIN),
            busiest: Arc::default(),
        }
    }

    /// Whether any lane asks one of them before it steps.
    pub fn is_shared(&self) -> bool {
        self.processors.is_shared() || self.gpu.is_shared()
    }

    /// How long the busiest of them was at work for calls, since they began: of each time between two
    /// questions it is the one that worked longest.
    pub fn worked(&self) -> Duration {
        let now = [self.processors.worked(), self.gpu.worked()];
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
        let devices = Devices::new(NonZeroUsize::MIN);
        let worked = |processors: u64, gpu: u64| {
            devices.processors.set_worked(Duration::from_millis(processors));
            devices.gpu.set_worked(Duration::from_millis(gpu));
            devices.worked().as_millis()
        };
        assert_eq!(worked(5, 3), 5);
        assert_eq!(worked(6, 13), 15, "now the GPU did more");
        assert_eq!(worked(6, 13), 15);
        assert_eq!(worked(9, 14), 18);
    }

    #[test]
    fn nobody_is_asked_before_a_lane_has_a_seat() {
        let devices = Devices::new(NonZeroUsize::MIN);
        assert!(!devices.is_shared());
        let _seat = devices.gpu.seat();
        assert!(devices.is_shared());
    }
}
