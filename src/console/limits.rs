//! The limits of a run, as the kernel has them now.

use crate::plan::human;
use std::fs;
use std::path::{Path, PathBuf};

/// Name and value of each limit of the cgroup that this run is in; empty where there is none, or where it
/// cannot be looked at.
pub(super) fn of_run(supervisor: u32, run: &str) -> Vec<(&'static str, String)> {
    let Some(folder) = cgroup(supervisor, run) else { return Vec::new() };
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    let with = |now: &str, most: &str, shown: fn(String) -> Option<String>| {
        let most = shown(read(most)?)?;
        Some(match read(now).and_then(shown) {
            Some(now) => format!("{now} of {most}"),
            None => most,
        })
    };
    let plain: fn(String) -> Option<String> = |text| (text != "max").then_some(text);
    let memory: fn(String) -> Option<String> = |text| text.parse().ok().map(human);
    let all = [
        ("memory", with("memory.current", "memory.max", memory)),
        ("processes", with("pids.current", "pids.max", plain)),
        ("CPU", read("cpu.max").and_then(|text| cpus(&text))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `150000 100000` is one and a half.
fn cpus(text: &str) -> Option<String> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    let hundredths = quota.checked_mul(100)?.checked_div(period)?;
    Some(format!("{}.{:02} cores", hundredths / 100, hundredths % 100))
}

/// A child of the supervisor is in a group with the name of the run.
fn cgroup(supervisor: u32, run: &str) -> Option<PathBuf> {
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let children = fs::read_to_string(children).ok()?;
    children.split_ascii_whitespace().find_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let name = Path::new(own).file_name()?.to_str()?;
        name.ends_with(&format!("-{run}")).then(|| Path::new("/sys/fs/cgroup").join(own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_cores() {
        assert_eq!(cpus("150000 100000").as_deref(), Some("1.50 cores"));
        assert_eq!(cpus("max 100000"), None);
        assert_eq!(cpus("1 0"), None);
        assert_eq!(cpus(""), None);
    }
}
