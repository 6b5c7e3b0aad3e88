//! Whether the configured models fit into this machine's memory, before any of them is loaded.

mod table;

use trunkline_inference::budget::{Budget, Demand, Device, Kind, Ledger, OverBudget, Placement};

pub(crate) use table::{DeviceLine, lines, readable, sum};

use crate::{assemble, config, config::ModelsConfig, exit::Failure, gpu, host_memory};

/// Stands for memory that nobody tells the size of: whatever is asked of it fits.
const UNKNOWN: u64 = u64::MAX;
/// Contexts that are tried as a remedy are multiples of this.
const CONTEXT_STEP: u32 = 512;

/// Where the configured models run.
pub(crate) struct Seating {
    demands: Vec<Demand>,
    placement: Placement,
    /// The numbers of the GPUs that the budget's devices are, or are a part of.
    gpus: Vec<Option<u32>>,
}

/// Places the configured models.
///
/// What does not fit is a [`Failure`] that shows the sum and what to change. Models that are not there
/// cannot be placed either.
pub(crate) fn place(config: &ModelsConfig) -> Result<Seating, Failure> {
    let demands = assemble::demands(config)?;
    let (gpus, devices): (Vec<_>, Vec<_>) = devices(config).into_iter().unzip();
    let budget = Budget::new(devices, config.memory_reserve_mib << 20);
    match budget.place(&demands) {
        Ok(placement) => Ok(Seating { demands, placement, gpus }),
        Err(refused) => Err(refusal(config, &budget, &refused)),
    }
}

impl Seating {
    /// Whether the model of this name is placed on a GPU.
    pub(crate) fn is_on_gpu(&self, model: &str) -> bool {
        self.placement.seats.iter().any(|seat| {
            self.demands[seat.demand].model == model
                && self.placement.ledgers[seat.device].device.kind == Kind::Gpu
        })
    }

    /// What each device holds.
    pub(crate) fn ledgers(&self) -> &[Ledger] {
        &self.placement.ledgers
    }

    /// What each model holds of a GPU's memory: the GPU's number, the model, bytes.
    pub(crate) fn gpu_memory(&self) -> impl Iterator<Item = (u32, &str, u64)> {
        let numbered = self.gpus.iter().zip(self.ledgers());
        numbered.filter_map(|(gpu, ledger)| Some(((*gpu)?, ledger))).flat_map(|(gpu, ledger)| {
            ledger
                .entries
                .iter()
                .map(move |entry| (gpu, entry.model.as_str(), entry.footprint.resident_bytes()))
        })
    }
}

/// The devices that models may be loaded into: the first GPU of this process, which is the one that every
/// engine takes, and the machine's memory.
fn devices(config: &ModelsConfig) -> Vec<(Option<u32>, Device)> {
    let unknown = |name: &str, kind| Device {
        name: name.to_owned(),
        kind,
        total_bytes: UNKNOWN,
        free_bytes: UNKNOWN,
        slice: None,
    };
    let mut devices = Vec::new();
    if config.uses_gpu() {
        match gpu::look() {
            Some(gpus) => {
                let usable = gpus.usable(&config::gpu_limits()).into_iter().next();
                devices.extend(usable.map(|(number, device)| (Some(number), device)));
            }
            None => devices.push((None, unknown("GPU", Kind::Gpu))),
        }
    }
    let host = host_memory::device().unwrap_or_else(|| unknown("host memory", Kind::Host));
    devices.push((None, host));
    devices
}

fn refusal(config: &ModelsConfig, budget: &Budget, refused: &OverBudget) -> Failure {
    let fits = |config: ModelsConfig| {
        assemble::demands(&config).is_ok_and(|demands| budget.place(&demands).is_ok())
    };
    let slots = largest(config.slots, 1, |slots| fits(ModelsConfig { slots, ..config.clone() }));
    let steps = usize::try_from(config.context_tokens / CONTEXT_STEP).unwrap_or(0);
    let tokens = |steps: usize| u32::try_from(steps).unwrap_or(1) * CONTEXT_STEP;
    let context = largest(steps + 1, 1, |steps| {
        fits(ModelsConfig { context_tokens: tokens(steps), ..config.clone() })
    });
    let mut remedies = Vec::new();
    remedies.extend(slots.map(|slots| format!("models.slots = {slots} would fit")));
    remedies.extend(
        context.map(|steps| format!("models.context_tokens = {} would fit", tokens(steps))),
    );
    if remedies.is_empty() {
        let text = "neither fewer slots nor a shorter context alone suffice: choose a smaller model, \
                    or both";
        remedies.push(text.to_owned());
    }
    remedies.push("smaller models are in `trunkline models list`".to_owned());
    Failure::config(format!("{refused}\n{}", remedies.join("\n")))
}

/// The largest number below `end`, from `least` on, that fits, where all below one that fits do too.
fn largest(end: usize, least: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    if least >= end || !fits(least) {
        return None;
    }
    let (mut fitting, mut end) = (least, end);
    while end - fitting > 1 {
        let middle = fitting + (end - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            end = middle;
        }
    }
    Some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_fits_is_found_below_the_one_that_does_not() {
        for limit in 0..40 {
            let found = largest(30, 1, |n| n <= limit);
            let expected = (limit >= 1).then_some(limit.min(29));
            assert_eq!(found, expected, "{limit}");
        }
        assert_eq!(largest(1, 1, |_| true), None);
    }
}
