//! The text files that the kernel describes cgroups with. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// A controller that a limit of ours needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    Cpu,
    Io,
    Memory,
    Pids,
}

/// A set of controllers.
pub type Controllers = BTreeSet<Controller>;

impl Controller {
    /// Every controller that a limit of ours can need.
    pub const ALL: &'static [Self] = &[Self::Cpu, Self::Io, Self::Memory, Self::Pids];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    /// The name under cgroup version 1.
    pub(super) fn v1_name(self) -> &'static str {
        if self == Self::Io { "blkio" } else { self.name() }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `cgroup.controllers` or `cgroup.subtree_control`; controllers that no limit needs are left out.
pub(super) fn controllers(text: &str) -> Controllers {
    let named = |c: &&Controller| text.split_whitespace().any(|word| word == c.name());
    Controller::ALL.iter().filter(named).copied().collect()
}

/// Names in a row, for messages.
pub(super) fn listed<'a>(set: impl IntoIterator<Item = &'a Controller>) -> String {
    set.into_iter().map(|c| c.name()).collect::<Vec<_>>().join(" ")
}

/// Where a process is, from `/proc/<pid>/cgroup`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// The path in the version 2 hierarchy (`0::/…`).
    pub(super) v2: Option<String>,
    /// The controllers that a version 1 hierarchy holds.
    pub(super) on_v1: Controllers,
}

/// Parses `/proc/<pid>/cgroup`: lines of `id:controllers:path`, cgroups(7).
pub(super) fn membership(text: &str) -> Membership {
    let mut found = Membership::default();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if id == "0" && names.is_empty() {
            // Still a member of a cgroup that was removed: nothing can be made there.
            found.v2 = Some(path.to_owned()).filter(|p| !p.ends_with(" (deleted)"));
        } else {
            let held = |c: &&Controller| names.split(',').any(|n| n == c.v1_name());
            found.on_v1.extend(Controller::ALL.iter().filter(held));
        }
    }
    found
}

/// A mounted version 2 hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Which cgroup the mount shows as its root (`/` but for bind mounts).
    pub(super) root: String,
    pub(super) point: PathBuf,
}

/// The last cgroup2 mount in `/proc/<pid>/mountinfo` whose mount point no later line covers exactly.
/// (`36 35 98:0 /root /mount/point opts shared:1 - fstype source superopts`, proc_pid_mountinfo(5).)
pub(super) fn cgroup2_mount(mountinfo: &str) -> Option<Mount> {
    let mut best: Option<Mount> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut fields = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else { continue };
        let point = PathBuf::from(unescape(point));
        if right.split(' ').next() == Some("cgroup2") {
            best = Some(Mount { root: unescape(root), point });
        } else if best.as_ref().is_some_and(|b| b.point == point) {
            best = None;
        }
    }
    best
}

/// Undoes the octal escapes of mountinfo (`\040` is a space).
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|d| u8::from_str_radix(d, 8).ok());
        match code {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The number after `key` in a flat keyed file (`memory.events`, `cpu.stat`).
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Controller::{Cpu, Io, Memory, Pids};

    #[test]
    fn membership_of_a_hybrid_host() {
        let text =
            "9:name=systemd:/\n8:pids:/\n7:blkio:/\n4:memory:/a:b\n2:cpuacct:/\n1:cpu:/\n0::/\n";
        let got = membership(text);
        assert_eq!(got.v2.as_deref(), Some("/"));
        assert_eq!(got.on_v1, Controllers::from([Cpu, Io, Memory, Pids]));
    }

    #[test]
    fn membership_of_a_unified_host() {
        let got = membership("0::/user.slice/user-1000.slice/session-3.scope\n");
        assert_eq!(got.v2.as_deref(), Some("/user.slice/user-1000.slice/session-3.scope"));
        assert!(got.on_v1.is_empty());
        assert_eq!(membership("0::/gone (deleted)\n").v2, None);
        assert_eq!(membership("nonsense\n0:\n"), Membership::default());
    }

    #[test]
    fn joint_hierarchies_of_version_1() {
        assert_eq!(membership("3:cpu,cpuacct:/x\n").on_v1, Controllers::from([Cpu]));
    }

    #[test]
    fn mounts() {
        let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let mount =
            |root: &str, point: &str| Some(Mount { root: root.into(), point: point.into() });
        assert_eq!(cgroup2_mount(hybrid), mount("/", "/sys/fs/cgroup/unified"));
        let odd =
            "1 2 0:1 /a\\040b /mnt/c\\040g rw shared:1 master:2 - cgroup2 none rw,nsdelegate\n";
        assert_eq!(cgroup2_mount(odd), mount("/a b", "/mnt/c g"));
        let covered = "1 2 0:1 / /sys/fs/cgroup rw - cgroup2 c rw\n3 2 0:5 / /sys/fs/cgroup rw - tmpfs t rw\n";
        assert_eq!(cgroup2_mount(covered), None);
        assert_eq!(cgroup2_mount("short\n"), None);
    }

    #[test]
    fn keyed_numbers() {
        let text = "low 0\noom 3\noom_kill 12\n";
        assert_eq!(keyed(text, "oom"), Some(3));
        assert_eq!(keyed(text, "oom_kill"), Some(12));
        assert_eq!(keyed(text, "high"), None);
    }
}
