//! The GPUs of this machine, and those of them that this process may use.

mod nvml;

use std::fs;

use trunkline_inference::budget::{Bytes, Device, Kind, Slice};

pub(crate) use nvml::look;

/// Whether this program was built for NVIDIA GPUs.
pub(crate) const IS_BUILT_FOR: bool = cfg!(feature = "cuda");

/// What the driver tells of all GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gpus {
    /// Its version.
    pub(crate) driver: Option<String>,
    /// The newest CUDA that it runs: major, minor.
    pub(crate) cuda: Option<(i32, i32)>,
    /// In the order of the PCI bus.
    pub(crate) all: Vec<Gpu>,
}

/// A GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) total_bytes: u64,
    pub(crate) free_bytes: u64,
    /// Its compute capability: major, minor.
    pub(crate) compute: Option<(i32, i32)>,
    /// Its Multi-Instance GPU instances, where that mode is on.
    pub(crate) instances: Option<Vec<Instance>>,
}

/// A part of a GPU, with memory and compute units of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) total_bytes: u64,
    pub(crate) free_bytes: u64,
}

/// What the environment allows this process of the GPUs; CUDA obeys it by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `CUDA_VISIBLE_DEVICES`.
    pub(crate) visible: Option<String>,
    /// `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`.
    pub(crate) threads_percent: Option<String>,
    /// `CUDA_MPS_PINNED_DEVICE_MEM_LIMIT`.
    pub(crate) memory: Option<String>,
}

impl Gpus {
    /// The devices that this process may use, in the order in which CUDA numbers them, each with the number
    /// of its GPU. CUDA puts the fastest first unless it is told otherwise, which is this order where all are
    /// alike.
    pub(crate) fn usable(&self, limits: &Limits) -> Vec<(u32, Device)> {
        let mut devices = match &limits.visible {
            None => self.all.iter().filter_map(whole_or_first).collect(),
            Some(visible) => self.visible(visible),
        };
        // Beside instances CUDA shows no other device, and of them only one.
        let instance = devices.iter().position(|(_, d): &(u32, Device)| d.slice.is_some());
        if let Some(instance) = instance {
            devices = vec![devices.swap_remove(instance)];
        }
        for (number, (_, device)) in devices.iter_mut().enumerate() {
            device.slice = device.slice.take().or_else(|| limits.slice(number));
        }
        devices
    }

    /// Those that a list of numbers and UUIDs names, up to the first that it names wrongly.
    fn visible(&self, list: &str) -> Vec<(u32, Device)> {
        list.split(',').map_while(|name| self.named(name.trim())).collect()
    }

    fn named(&self, name: &str) -> Option<(u32, Device)> {
        if let Ok(index) = name.parse::<u32>() {
            return whole_or_first(self.all.iter().find(|gpu| gpu.index == index)?);
        }
        let is_named = |uuid: &str| !name.is_empty() && uuid.starts_with(name);
        let mut gpus = self.all.iter();
        gpus.find_map(|gpu| {
            if is_named(&gpu.uuid) {
                return whole_or_first(gpu);
            }
            let mut instances = gpu.instances.iter().flatten();
            let instance = instances.find(|instance| is_named(&instance.uuid))?;
            Some((gpu.index, instance.device()))
        })
    }
}

/// A GPU, or the first of its instances where it is cut into such.
fn whole_or_first(gpu: &Gpu) -> Option<(u32, Device)> {
    let device = match &gpu.instances {
        Some(instances) => instances.first()?.device(),
        None => Device {
            name: gpu.name.clone(),
            kind: Kind::Gpu,
            total_bytes: gpu.total_bytes,
            free_bytes: gpu.free_bytes,
            slice: None,
        },
    };
    Some((gpu.index, device))
}

impl Instance {
    fn device(&self) -> Device {
        Device {
            name: self.name.clone(),
            kind: Kind::Gpu,
            total_bytes: self.total_bytes,
            free_bytes: self.free_bytes,
            slice: Some(Slice::Mig { uuid: self.uuid.clone() }),
        }
    }
}

impl Limits {
    /// What the Multi-Process Service leaves this process of its device of this number.
    fn slice(&self, number: usize) -> Option<Slice> {
        let percent = self.threads_percent.as_deref().and_then(|text| text.trim().parse().ok());
        let memory = self.memory.as_deref().and_then(|list| {
            let mut limits = list.split(',').filter_map(|limit| limit.split_once('='));
            let (_, limit) = limits.find(|(device, _)| device.trim().parse() == Ok(number))?;
            bytes(limit.trim())
        });
        let is_limited = percent.is_some() || memory.is_some();
        is_limited.then_some(Slice::Mps { threads_percent: percent, memory_bytes: memory })
    }
}

/// A limit such as `2G` or `512MB`.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit.trim_end_matches(['B', 'b']) {
        "G" | "g" => 1 << 30,
        "M" | "m" => 1 << 20,
        "K" | "k" => 1 << 10,
        "" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// The GPU's line: name, memory, what it can, how it is cut.
impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { index, name, total_bytes, free_bytes, compute, instances, .. } = self;
        write!(f, "{index}: {name}, {} of {} free", Bytes(*free_bytes), Bytes(*total_bytes))?;
        if let Some((major, minor)) = compute {
            write!(f, ", compute capability {major}.{minor}")?;
        }
        match instances.as_deref() {
            None => Ok(()),
            Some([]) => f.write_str(", MIG on without an instance"),
            Some(instances) => {
                write!(f, ", MIG instances:")?;
                for (n, Instance { name, total_bytes, free_bytes, .. }) in
                    instances.iter().enumerate()
                {
                    let comma = if n == 0 { "" } else { ";" };
                    write!(
                        f,
                        "{comma} {name}, {} of {} free",
                        Bytes(*free_bytes),
                        Bytes(*total_bytes)
                    )?;
                }
                Ok(())
            }
        }
    }
}

/// Whether the driver shows a device: all of them are `/dev/nvidia` and a number.
pub(crate) fn is_present() -> bool {
    fs::read_dir("/dev").is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|e| e.file_name().to_str().is_some_and(is_device)))
    })
}

fn is_device(name: &str) -> bool {
    let number = name.strip_prefix("nvidia").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// The driver's own line about itself, where one is loaded.
pub(crate) fn driver() -> Option<String> {
    let text = fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    text.lines().next().map(|line| line.trim_start_matches("NVRM version:").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn gpu(index: u32, uuid: &str) -> Gpu {
        let (name, uuid) = (format!("GPU {index}"), uuid.to_owned());
        Gpu { index, name, uuid, total_bytes: 80 * GIB, free_bytes: 70 * GIB, ..Gpu::default() }
    }

    fn cut(index: u32, uuids: &[&str]) -> Gpu {
        let instance = |uuid: &&str| Instance {
            name: format!("1g.{uuid}"),
            uuid: (*uuid).to_owned(),
            total_bytes: 10 * GIB,
            free_bytes: 9 * GIB,
        };
        let instances = Some(uuids.iter().map(instance).collect());
        Gpu { instances, ..gpu(index, "GPU-cut") }
    }

    fn usable(gpus: Vec<Gpu>, visible: Option<&str>) -> Vec<(u32, String)> {
        let gpus = Gpus { all: gpus, ..Gpus::default() };
        let limits = Limits { visible: visible.map(ToOwned::to_owned), ..Limits::default() };
        gpus.usable(&limits).into_iter().map(|(index, device)| (index, device.name)).collect()
    }

    fn named(devices: &[(u32, &str)]) -> Vec<(u32, String)> {
        devices.iter().map(|(index, name)| (*index, (*name).to_owned())).collect()
    }

    #[test]
    fn the_environment_chooses_gpus_by_number_and_by_uuid_up_to_a_wrong_one() {
        let both = || vec![gpu(0, "GPU-aa"), gpu(1, "GPU-bb")];
        assert_eq!(usable(both(), None), named(&[(0, "GPU 0"), (1, "GPU 1")]));
        assert_eq!(usable(both(), Some("1, 0")), named(&[(1, "GPU 1"), (0, "GPU 0")]));
        assert_eq!(usable(both(), Some("GPU-b")), named(&[(1, "GPU 1")]));
        assert_eq!(usable(both(), Some("0,7,1")), named(&[(0, "GPU 0")]));
        assert_eq!(usable(both(), Some("")), []);
        assert_eq!(usable(both(), Some("-1")), []);
    }

    #[test]
    fn of_instances_one_is_used_and_nothing_beside_it() {
        let both = || vec![gpu(0, "GPU-aa"), cut(1, &["MIG-1", "MIG-2"])];
        assert_eq!(usable(both(), None), named(&[(1, "1g.MIG-1")]));
        assert_eq!(usable(both(), Some("MIG-2")), named(&[(1, "1g.MIG-2")]));
        assert_eq!(usable(both(), Some("0")), named(&[(0, "GPU 0")]));
        assert_eq!(usable(vec![cut(0, &[])], None), [], "cut without a part");
    }

    #[test]
    fn limits_of_mps_are_those_of_the_device_s_number_in_this_process() {
        let limits = Limits {
            visible: Some("1,0".into()),
            threads_percent: Some("30".into()),
            memory: Some("0=2G, 1=512MB".into()),
        };
        let gpus = Gpus { all: vec![gpu(0, "GPU-aa"), gpu(1, "GPU-bb")], ..Gpus::default() };
        let bytes: Vec<_> = gpus.usable(&limits).iter().map(|(_, d)| d.usable_bytes()).collect();
        assert_eq!(bytes, [2 * GIB, GIB / 2]);
        assert_eq!(Limits::default().slice(0), None);
        let wrong = Limits { memory: Some("0=much".into()), ..Limits::default() };
        assert_eq!(wrong.slice(0), None);
    }

    #[test]
    fn a_gpu_tells_its_memory_and_how_it_is_cut() {
        let whole = Gpu { compute: Some((9, 0)), ..gpu(0, "") };
        let text = "0: GPU 0, 70.00 GiB of 80.00 GiB free, compute capability 9.0";
        assert_eq!(whole.to_string(), text);
        let told = cut(1, &["a", "b"]).to_string();
        assert!(told.ends_with(
            "MIG instances: 1g.a, 9.00 GiB of 10.00 GiB free; 1g.b, 9.00 GiB of 10.00 GiB free"
        ));
    }

    #[test]
    fn a_machine_without_the_library_has_no_gpus_and_no_error() {
        if !is_present() {
            assert!(look().is_none_or(|gpus| gpus.all.is_empty()));
        }
    }

    #[test]
    fn devices_are_told_from_what_else_the_driver_makes() {
        assert!(["nvidia0", "nvidia15"].into_iter().all(is_device));
        assert!(
            !["nvidia", "nvidiactl", "nvidia-uvm", "nvidia0a", "sda"].into_iter().any(is_device)
        );
    }
}
