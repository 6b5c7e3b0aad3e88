//! The machine's memory, as far as this process may have it: the kernel's figure, and the limits of the control
//! groups that it is in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use trunkline_inference::budget::{Device, Kind};

/// Memory for models that run on the processor; `None` where the system does not tell.
pub(crate) fn device() -> Option<Device> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let [total, available] = ["MemTotal:", "MemAvailable:"].map(|name| line(&meminfo, name));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (limit, room) = groups_room(Path::new("/sys/fs/cgroup"), &groups);
    let kibibytes = |n: Option<u64>| n.map(|n| n.saturating_mul(1024));
    let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    Some(Device {
        name: "host memory".to_owned(),
        kind: Kind::Host,
        total_bytes: least(kibibytes(total), limit)?,
        free_bytes: least(kibibytes(available), room)?,
        slice: None,
    })
}

/// The number after `name` in a file of such lines.
fn line(text: &str, name: &str) -> Option<u64> {
    let found = text.lines().find_map(|line| line.strip_prefix(name))?;
    found.split_whitespace().next()?.parse().ok()
}

/// The lowest limit of the process's groups and of those that they are in, and the least that any of them
/// has left. `groups` is `/proc/self/cgroup`, `mount` where the groups are mounted.
fn groups_room(mount: &Path, groups: &str) -> (Option<u64>, Option<u64>) {
    let (mut limit, mut room) = (None, None);
    for line in groups.lines() {
        // Number, controllers, path; the second version has one group, of number 0 and no controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let version = if controllers.is_empty() {
            &SECOND
        } else if controllers.split(',').any(|name| name == "memory") {
            &FIRST
        } else {
            continue;
        };
        let mount = mount.join(version.folder);
        for group in with_those_above(&mount, path) {
            let Some((most, left)) = version.room(&group) else { continue };
            limit = Some(limit.map_or(most, |limit: u64| limit.min(most)));
            room = Some(room.map_or(left, |room: u64| room.min(left)));
        }
    }
    (limit, room)
}

/// The folder of a group and those of the groups around it. In a container the outer ones are not seen, and
/// its own is the mount itself.
fn with_those_above(mount: &Path, path: &str) -> Vec<PathBuf> {
    let inner = mount.join(path.trim_start_matches('/'));
    inner.ancestors().take_while(|folder| folder.starts_with(mount)).map(Into::into).collect()
}

/// How a version of control groups names its files.
struct Version {
    folder: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// Pages of files, which the kernel takes back when memory is short.
    files: [&'static str; 2],
}

const FIRST: Version = Version {
    folder: "memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    files: ["total_inactive_file ", "total_active_file "],
};

const SECOND: Version = Version {
    folder: "",
    limit: "memory.max",
    usage: "memory.current",
    files: ["inactive_file ", "active_file "],
};

impl Version {
    /// The limit of a group and what is left of it; `None` for one without a limit.
    fn room(&self, group: &Path) -> Option<(u64, u64)> {
        let read = |name: &str| fs::read_to_string(group.join(name)).ok();
        let limit: u64 = read(self.limit)?.trim().parse().ok()?;
        let used: u64 = read(self.usage)?.trim().parse().ok()?;
        let stat = read("memory.stat").unwrap_or_default();
        let files: u64 = self.files.iter().filter_map(|name| line(&stat, name)).sum();
        Some((limit, limit.saturating_sub(used.saturating_sub(files))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, version: &Version, files: [&str; 3]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in [version.limit, version.usage, "memory.stat"].into_iter().zip(files) {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_tightest_of_the_groups_counts_and_pages_of_files_are_free() {
        let mount = tempfile::tempdir().unwrap();
        let stat = "anon 5\ninactive_file 30\nactive_file 20\n";
        group(&mount.path().join("a/b"), &SECOND, ["max\n", "70\n", ""]);
        group(&mount.path().join("a"), &SECOND, ["100\n", "70\n", stat]);
        assert_eq!(groups_room(mount.path(), "0::/a/b\n"), (Some(100), Some(80)));
        assert_eq!(groups_room(mount.path(), "0::/elsewhere\n"), (None, None));
    }

    #[test]
    fn the_first_version_has_a_folder_of_its_own() {
        let mount = tempfile::tempdir().unwrap();
        let stat = "total_inactive_file 1\ntotal_active_file 2\n";
        group(&mount.path().join("memory"), &FIRST, ["50\n", "40\n", stat]);
        let groups = "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n";
        assert_eq!(groups_room(mount.path(), groups), (Some(50), Some(13)));
    }

    #[test]
    fn a_group_that_is_over_its_limit_has_nothing_left() {
        let mount = tempfile::tempdir().unwrap();
        group(mount.path(), &SECOND, ["10", "12", ""]);
        assert_eq!(groups_room(mount.path(), "0::/\n"), (Some(10), Some(0)));
    }

    #[test]
    fn this_machine_has_memory() {
        let device = device().unwrap();
        assert!(0 < device.free_bytes && device.free_bytes <= device.total_bytes);
    }
}
