//! What the kernel says of a container's cgroup: version 1 or 2, read from the host.

use crate::confine::cgroup::Usage;
use std::fs;
use std::path::{Path, PathBuf};

/// Limits in force; `None` is no limit, or none that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    pub memory: Option<u64>,
    /// Memory and swap together.
    pub memory_and_swap: Option<u64>,
    /// Thousandths of a processor.
    pub cpus: Option<u64>,
    pub pids: Option<u64>,
}

/// The folders of one process's cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    v2: Option<PathBuf>,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    pids: Option<PathBuf>,
}

impl Folders {
    /// Those of a process, as this process sees them.
    pub fn of(pid: i32) -> std::io::Result<Self> {
        let membership = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(find(&membership, &mounts))
    }

    pub fn limits(&self) -> InForce {
        let number = |folder: &Option<PathBuf>, name: &str| {
            let text = fs::read_to_string(folder.as_ref()?.join(name)).ok()?;
            // Version 1 says "none" as the largest number of pages.
            text.trim().parse::<u64>().ok().filter(|value| *value < 1 << 62)
        };
        if let Some(folder) = &self.v2 {
            let both = Some(folder.clone());
            let memory = number(&both, "memory.max");
            let swap = number(&both, "memory.swap.max");
            let cpu = fs::read_to_string(folder.join("cpu.max")).unwrap_or_default();
            return InForce {
                memory,
                memory_and_swap: memory
                    .zip(swap.or_else(no_swap))
                    .map(|(memory, swap)| memory + swap),
                cpus: thousandths(&cpu),
                pids: number(&both, "pids.max"),
            };
        }
        let quota = number(&self.cpu, "cpu.cfs_quota_us");
        let period = number(&self.cpu, "cpu.cfs_period_us");
        let both = number(&self.memory, "memory.memsw.limit_in_bytes");
        let memory = number(&self.memory, "memory.limit_in_bytes");
        InForce {
            memory,
            memory_and_swap: both.or_else(|| no_swap().and(memory)),
            cpus: quota.zip(period).filter(|(_, period)| *period > 0).map(|(q, p)| q * 1000 / p),
            pids: number(&self.pids, "pids.max"),
        }
    }

    /// What was used, for the report.
    pub fn usage(&self) -> Usage {
        if let Some(folder) = &self.v2 {
            return Usage::read(folder);
        }
        let text = |folder: &Option<PathBuf>, name: &str| {
            fs::read_to_string(folder.as_ref()?.join(name)).ok()
        };
        let number = |folder, name| text(folder, name)?.trim().parse().ok();
        let keyed = |folder, name, key: &str| {
            let text = text(folder, name)?;
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            line?.trim().parse().ok()
        };
        Usage {
            memory_peak: number(&self.memory, "memory.max_usage_in_bytes"),
            oom_kill: keyed(&self.memory, "memory.oom_control", "oom_kill"),
            pids_refused: keyed(&self.pids, "pids.events", "max"),
            cpu_throttled: keyed(&self.cpu, "cpu.stat", "nr_throttled"),
            ..Usage::default()
        }
    }
}

/// A machine without swap has no limit of it to show.
fn no_swap() -> Option<u64> {
    let swaps = fs::read_to_string("/proc/swaps").ok()?;
    (swaps.lines().count() <= 1).then_some(0)
}

/// `max 100000` or `50000 100000`.
fn thousandths(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok().filter(|period| *period > 0)?;
    Some(quota * 1000 / period)
}

/// Pure: /proc/PID/cgroup and our /proc/self/mountinfo.
fn find(membership: &str, mountinfo: &str) -> Folders {
    let mut found = Folders::default();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (fields.next(), fields.next()) else { continue };
        if names.is_empty() {
            let folder = below(mountinfo, None, path);
            // In a hybrid set-up version 2 is there and carries nothing.
            let carries = |folder: &PathBuf| folder.join("memory.max").exists();
            found.v2 = folder.filter(|folder| mounts_alone(mountinfo) || carries(folder));
            continue;
        }
        for name in names.split(',') {
            let place = match name {
                "memory" => &mut found.memory,
                "cpu" => &mut found.cpu,
                "pids" => &mut found.pids,
                _ => continue,
            };
            *place = below(mountinfo, Some(name), path);
        }
    }
    if found.memory.is_some() || found.pids.is_some() {
        found.v2 = None;
    }
    found
}

/// No hierarchy of version 1 is mounted.
fn mounts_alone(mountinfo: &str) -> bool {
    !mountinfo.lines().any(|line| line.contains(" - cgroup "))
}

/// The folder of a cgroup below the mount of its hierarchy.
fn below(mountinfo: &str, controller: Option<&str>, path: &str) -> Option<PathBuf> {
    for line in mountinfo.lines() {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
        let fits = match controller {
            None => kind == "cgroup2",
            Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        if fits && let Ok(rest) = Path::new(path).strip_prefix(root) {
            return Some(Path::new(point).join(rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "\
        30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        33 24 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";

    #[test]
    fn version_2_has_one_folder() {
        let found = find("0::/user.slice/libpod-1.scope\n", V2);
        assert_eq!(found.v2.unwrap(), Path::new("/sys/fs/cgroup/user.slice/libpod-1.scope"));
    }

    #[test]
    fn version_1_has_one_for_each_controller() {
        let text = "5:pids:/docker/a\n4:cpu,cpuacct:/docker/a\n3:memory:/docker/a\n0::/\n";
        let found = find(text, V1);
        assert_eq!(found.v2, None);
        assert_eq!(found.memory.unwrap(), Path::new("/sys/fs/cgroup/memory/docker/a"));
        assert_eq!(found.cpu.unwrap(), Path::new("/sys/fs/cgroup/cpu,cpuacct/docker/a"));
        assert_eq!(found.pids.unwrap(), Path::new("/sys/fs/cgroup/pids/docker/a"));
    }

    #[test]
    fn a_quota_is_a_share() {
        assert_eq!(thousandths("50000 100000\n"), Some(500));
        assert_eq!(thousandths("max 100000\n"), None);
        assert_eq!(thousandths("1 0\n"), None);
    }

    /// This process is in some cgroup, whatever its limits are.
    #[test]
    fn our_own_can_be_read() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_ne!(Folders::of(own).unwrap(), Folders::default());
    }
}
