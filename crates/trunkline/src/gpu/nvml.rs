//! What NVIDIA's management library says about the GPUs. It is looked for when asked, never linked.

use nvml_wrapper::{Device, Nvml};

use super::{Gpu, Gpus, Instance};

/// All GPUs of the machine; `None` where there is no driver with its library.
pub(crate) fn look() -> Option<Gpus> {
    let nvml = Nvml::init()
        .inspect_err(|error| tracing::debug!(%error, "no NVIDIA management library"))
        .ok()?;
    let count = nvml.device_count().unwrap_or(0);
    let gpus = (0..count).filter_map(|index| gpu(&nvml.device_by_index(index).ok()?, index));
    Some(Gpus {
        driver: nvml.sys_driver_version().ok(),
        // In thousands and tens: 13020 is 13.2.
        cuda: nvml.sys_cuda_driver_version().ok().map(|n| (n / 1000, n % 1000 / 10)),
        all: gpus.collect(),
    })
}

fn gpu(device: &Device<'_>, index: u32) -> Option<Gpu> {
    let memory = device.memory_info().ok()?;
    let compute = device.cuda_compute_capability().ok();
    Some(Gpu {
        index,
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
        uuid: device.uuid().unwrap_or_default(),
        total_bytes: memory.total,
        free_bytes: memory.free,
        compute: compute.map(|found| (found.major, found.minor)),
        instances: device.mig_mode().is_ok_and(|mode| mode.current != 0).then(|| instances(device)),
    })
}

fn instances(device: &Device<'_>) -> Vec<Instance> {
    let most = device.mig_device_count().unwrap_or(0);
    // Places without an instance are errors.
    let found = (0..most).filter_map(|n| {
        let instance = device.mig_device_by_index(n).ok()?;
        let memory = instance.memory_info().ok()?;
        Some(Instance {
            name: instance.name().unwrap_or_else(|_| "MIG instance".to_owned()),
            uuid: instance.uuid().unwrap_or_default(),
            total_bytes: memory.total,
            free_bytes: memory.free,
        })
    });
    found.collect()
}
