//! Limits as the kernel's files say them, and the comparison after reading them back.

use super::parse::{Controller, Controllers};
use super::{CgroupError, files};
use crate::policy::{Bytes, Cpus, IoLimit};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The period of `cpu.max` in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;
/// The kernel's smallest quota in microseconds.
const CPU_QUOTA_MIN: u64 = 1_000;

/// What one run may use at most. `None`: not limited here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub memory: Option<Bytes>,
    pub cpus: Option<Cpus>,
    pub pids: Option<u32>,
    pub io: Vec<IoMax>,
}

/// A limit on one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoMax {
    pub major: u64,
    pub minor: u64,
    pub limit: IoLimit,
}

/// One file and what to write to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) value: String,
    /// What it is for, as it reads after "cannot".
    pub(super) what: &'static str,
}

impl Limits {
    /// The controllers that these limits need.
    pub fn controllers(&self) -> Controllers {
        let wanted = [
            (Controller::Cpu, self.cpus.is_some()),
            (Controller::Io, !self.io.is_empty()),
            (Controller::Memory, self.memory.is_some()),
            (Controller::Pids, self.pids.is_some()),
        ];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(c, _)| c).collect()
    }

    /// What to write, in order.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let mut all = Vec::new();
        let mut set = |file, value: String, what| all.push(Setting { file, value, what });
        if let Some(Bytes(bytes)) = self.memory {
            set("memory.max", bytes.to_string(), "limit memory");
            set("memory.swap.max", "0".into(), "keep memory out of swap");
            // All or nothing: a connector that lost one process to the OOM killer is half alive.
            set("memory.oom.group", "1".into(), "end the whole jail when memory runs out");
        }
        if let Some(Cpus(thousandths)) = self.cpus {
            let quota = (u64::from(thousandths) * CPU_PERIOD / 1000).max(CPU_QUOTA_MIN);
            set("cpu.max", format!("{quota} {CPU_PERIOD}"), "limit processor time");
        }
        if let Some(pids) = self.pids {
            set("pids.max", pids.to_string(), "limit the number of processes");
        }
        for io in &self.io {
            set("io.max", io.line(), "limit disk throughput");
        }
        all
    }
}

impl IoMax {
    /// The disk behind a path. The kernel limits whole disks, so a partition stands for its disk.
    /// `sys` is `/sys`.
    pub fn for_path(sys: &Path, path: &Path, limit: IoLimit) -> Result<Self, CgroupError> {
        let what = "find the disk to limit";
        let meta = fs::metadata(path).map_err(|e| CgroupError::io(what, "stat", path, &e))?;
        let (major, minor) = (nix::sys::stat::major(meta.dev()), nix::sys::stat::minor(meta.dev()));
        let node = sys.join(format!("dev/block/{major}:{minor}"));
        let node = fs::canonicalize(&node).map_err(|e| {
            let hint = "btrfs, overlay, network and memory file systems have no disk of their own \
                        that could be limited; put the folder on another file system";
            CgroupError::io(what, "realpath", &node, &e).hint(hint)
        })?;
        let disk = if node.join("partition").exists() { node.parent() } else { None };
        let file = disk.unwrap_or(&node).join("dev");
        let text = files::read(what, &file)?;
        let number = |s: &str| s.trim().parse::<u64>().ok();
        match text.split_once(':').map(|(a, b)| (number(a), number(b))) {
            Some((Some(major), Some(minor))) => Ok(Self { major, minor, limit }),
            _ => Err(CgroupError::new(what, "read", &file).detail(format!("odd text {text:?}"))),
        }
    }

    fn line(&self) -> String {
        let part = |value: Option<Bytes>| value.map_or("max".to_owned(), |Bytes(b)| b.to_string());
        let IoLimit { read, write } = self.limit;
        format!("{}:{} rbps={} wbps={}", self.major, self.minor, part(read), part(write))
    }
}

impl Setting {
    /// Did the kernel take the value? `read` is the file's text after the write.
    pub(super) fn holds(&self, read: &str, page: u64) -> bool {
        match self.file {
            // The kernel counts pages and rounds down (page_counter_memparse).
            "memory.max" => match (self.value.parse::<u64>(), read.trim().parse::<u64>()) {
                (Ok(wrote), Ok(got)) => got == wrote / page * page,
                _ => false,
            },
            "io.max" => {
                let (disk, wanted) = self.value.split_once(' ').unwrap_or((&self.value, ""));
                let line = read.lines().find_map(|l| l.strip_prefix(disk)?.strip_prefix(' '));
                // A disk without any limit has no line.
                let line = line.unwrap_or("rbps=max wbps=max");
                wanted.split(' ').all(|word| line.split_whitespace().any(|got| got == word))
            }
            _ => read.split_whitespace().eq(self.value.split_whitespace()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Limits {
        let limit = IoLimit { read: Some(Bytes(1 << 20)), write: None };
        Limits {
            memory: Some(Bytes(64 << 20)),
            cpus: Some(Cpus(1500)),
            pids: Some(20),
            io: vec![IoMax { major: 8, minor: 0, limit }],
        }
    }

    fn setting(file: &'static str, value: &str) -> Setting {
        Setting { file, value: value.into(), what: "test" }
    }

    #[test]
    fn what_is_written() {
        let got: Vec<_> = all().settings().into_iter().map(|s| (s.file, s.value)).collect();
        let want = [
            ("memory.max", "67108864"),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "20"),
            ("io.max", "8:0 rbps=1048576 wbps=max"),
        ];
        assert_eq!(got, want.map(|(f, v)| (f, v.to_owned())));
        assert_eq!(all().controllers().len(), 4);
        assert!(Limits::default().settings().is_empty());
        assert!(Limits::default().controllers().is_empty());
    }

    #[test]
    fn a_tiny_share_is_the_smallest_quota() {
        let limits = Limits { cpus: Some(Cpus(1)), ..Limits::default() };
        assert_eq!(limits.settings()[0].value, "1000 100000");
    }

    #[test]
    fn read_back_allows_only_the_rounding_of_the_kernel() {
        assert!(setting("memory.max", "10000").holds("8192\n", 4096));
        assert!(!setting("memory.max", "10000").holds("10000\n", 4096));
        assert!(!setting("memory.max", "8192").holds("max\n", 4096));
        assert!(setting("cpu.max", "50000 100000").holds("50000 100000\n", 4096));
        assert!(!setting("cpu.max", "50000 100000").holds("max 100000\n", 4096));
        assert!(!setting("pids.max", "20").holds("200\n", 4096));
    }

    #[test]
    fn read_back_of_disks() {
        let wrote = setting("io.max", "8:0 rbps=1048576 wbps=max");
        assert!(
            wrote.holds("8:16 rbps=1 wbps=1\n8:0 rbps=1048576 wbps=max riops=max wiops=max\n", 1)
        );
        assert!(!wrote.holds("8:0 rbps=max wbps=max riops=max wiops=max\n", 1));
        assert!(!wrote.holds("", 1));
        assert!(setting("io.max", "8:0 rbps=max wbps=max").holds("", 1));
    }

    #[test]
    fn a_partition_stands_for_its_disk() {
        let sys = tempfile::tempdir().expect("tempdir");
        let dev = fs::metadata(sys.path()).expect("stat").dev();
        let (major, minor) = (nix::sys::stat::major(dev), nix::sys::stat::minor(dev));
        let part = sys.path().join("devices/sda/sda1");
        fs::create_dir_all(&part).expect("mkdir");
        fs::create_dir_all(sys.path().join("dev/block")).expect("mkdir");
        fs::write(part.join("partition"), "1\n").expect("write");
        fs::write(part.join("dev"), "8:1\n").expect("write");
        fs::write(sys.path().join("devices/sda/dev"), "8:0\n").expect("write");
        let link = sys.path().join(format!("dev/block/{major}:{minor}"));
        let limit = IoLimit { read: None, write: None };
        let missing = IoMax::for_path(sys.path(), sys.path(), limit).expect_err("no such disk");
        assert!(missing.hint.is_some_and(|h| h.contains("btrfs")));
        std::os::unix::fs::symlink(&part, link).expect("symlink");
        let got = IoMax::for_path(sys.path(), sys.path(), limit);
        assert_eq!(got, Ok(IoMax { major: 8, minor: 0, limit }));
    }
}
