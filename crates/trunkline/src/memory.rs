//! Whether the configured models fit into this machine's memory, before any of them is loaded.

mod table;

use trunkline_inference::budget::{
    Budget, Demand, Device, Kind, Ledger, OverBudget, Placement, Seat,
};

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
    let mut demands = assemble::demands(config)?;
    let (gpus, devices): (Vec<_>, Vec<_>) = devices(config).into_iter().unzip();
    let budget = Budget::new(devices, config.memory_reserve_mib << 20);
    if let Some(placement) = one_on_each_gpu(&budget, &mut demands) {
        return Ok(Seating { demands, placement, gpus });
    }
    match budget.place(&demands) {
        Ok(placement) => Ok(Seating { demands, placement, gpus }),
        Err(refused) => Err(refusal(config, &budget, &refused)),
    }
}

impl Seating {
    /// How many GPUs there are to run on.
    pub(crate) fn gpus(&self) -> u32 {
        let gpus = self.ledgers().iter().filter(|ledger| ledger.device.kind == Kind::Gpu).count();
        u32::try_from(gpus).unwrap_or(u32::MAX)
    }

    /// The GPUs that the model of this name is placed on, as CUDA numbers them: they come first among the
    /// devices.
    pub(crate) fn gpus_of(&self, model: &str) -> Vec<u32> {
        let is_its = |seat: &&Seat| {
            self.demands[seat.demand].model == model
                && self.ledgers()[seat.device].device.kind == Kind::Gpu
        };
        let seats = self.placement.seats.iter().filter(is_its);
        seats.filter_map(|seat| u32::try_from(seat.device).ok()).collect()
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

/// Places a copy of what runs on GPUs on each of several; none where there are not several, or one has too
/// little memory. The demands are as many copies then.
fn one_on_each_gpu(budget: &Budget, demands: &mut [Demand]) -> Option<Placement> {
    let is_gpu = |device: &&Device| device.kind == Kind::Gpu;
    let gpus = u32::try_from(budget.devices().iter().filter(is_gpu).count()).ok()?;
    if gpus < 2 {
        return None;
    }
    let mut copied = demands.to_vec();
    for demand in &mut copied {
        if demand.choices.first().is_some_and(|choice| choice.on == Kind::Gpu) {
            demand.replicas = gpus;
        }
    }
    let placement = budget.place(&copied).ok()?;
    let on_gpu = |seat: &Seat| placement.ledgers[seat.device].device.kind == Kind::Gpu;
    let is_copied = |seat: &Seat| copied[seat.demand].replicas > 1;
    let are_apart = |seat: &Seat| {
        let same = |other: &&Seat| (other.demand, other.device) == (seat.demand, seat.device);
        placement.seats.iter().filter(same).count() == 1
    };
    let is_as_wished = placement
        .seats
        .iter()
        .filter(|seat| is_copied(seat))
        .all(|seat| on_gpu(seat) && are_apart(seat));
    is_as_wished.then(|| {
        demands.clone_from_slice(&copied);
        placement
    })
}

/// The devices that models may be loaded into: the GPUs of this process, in the order in which CUDA numbers
/// them, and the machine's memory.
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
                let usable = gpus.usable(&config::gpu_limits()).into_iter();
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
    use trunkline_inference::budget::{Choice, Footprint, Item, Part};

    use super::*;

    const GB: u64 = 1 << 30;

    /// A machine of GPUs with so much memory each, and the machine's own.
    fn machine(gpus: &[u64]) -> Budget {
        let device = |kind, bytes| Device {
            name: format!("{kind:?}"),
            kind,
            total_bytes: bytes,
            free_bytes: bytes,
            slice: None,
        };
        let gpus = gpus.iter().map(|&gb| device(Kind::Gpu, gb * GB));
        Budget::new(gpus.chain([device(Kind::Host, 64 * GB)]).collect(), 0)
    }

    /// A model that takes so much memory on the first of these.
    fn demand(model: &str, gb: u64, on: &[Kind]) -> Demand {
        let choice = |&on: &Kind| {
            let items = vec![Item::amount(Part::Weights, "weights", gb * GB, "all of it")];
            Choice { on, footprint: Footprint { items }, work: None }
        };
        let choices = on.iter().map(choice).collect();
        Demand { model: model.to_owned(), choices, replicas: 1, is_of_call: true }
    }

    fn demands() -> Vec<Demand> {
        let either = [Kind::Gpu, Kind::Host];
        vec![demand("llm", 9, &either), demand("stt", 2, &either), demand("tts", 1, &[Kind::Host])]
    }

    fn seating(gpus: &[u64]) -> Option<Seating> {
        let mut demands = demands();
        let placement = one_on_each_gpu(&machine(gpus), &mut demands)?;
        Some(Seating { demands, placement, gpus: vec![None; gpus.len() + 1] })
    }

    #[test]
    fn what_runs_on_gpus_has_a_copy_on_each() {
        let seating = seating(&[16, 80, 16]).unwrap();
        assert_eq!(seating.gpus(), 3);
        let of = |model| {
            let mut gpus = seating.gpus_of(model);
            gpus.sort_unstable();
            gpus
        };
        assert_eq!((of("llm"), of("stt")), (vec![0, 1, 2], vec![0, 1, 2]));
        assert!(of("tts").is_empty());
    }

    #[test]
    fn there_are_no_copies_where_there_is_one_gpu_or_one_is_too_small() {
        assert!(seating(&[80]).is_none());
        assert!(seating(&[]).is_none());
        assert!(seating(&[80, 10]).is_none());
    }

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
