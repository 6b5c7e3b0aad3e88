//! Whether there is a GPU to run models on.

use std::fs;

/// Whether this program was built for NVIDIA GPUs.
pub(crate) const IS_BUILT_FOR: bool = cfg!(feature = "cuda");

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

    #[test]
    fn devices_are_told_from_what_else_the_driver_makes() {
        assert!(["nvidia0", "nvidia15"].into_iter().all(is_device));
        assert!(
            !["nvidia", "nvidiactl", "nvidia-uvm", "nvidia0a", "sda"].into_iter().any(is_device)
        );
    }
}
