//! What this machine is and has: read once per run, before the plan, which then decides alone.

pub mod apparmor;
pub mod group;
pub mod holder;
pub mod look;
mod paths;
pub mod ports;
pub mod process;
pub mod runtime;
pub mod user;

use crate::confine::cgroup::{Controller, Controllers, How, Support};
use crate::failure::{self, Failure};
use crate::plan::{CgroupFacts, Facts, FirewallFacts, Kind, PortFacts, Stage};
use crate::planted::{Control, broken};
use crate::policy::{EnvValue, Policy, Workspace};
use crate::resolve::Resolved;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where programs are looked up inside, after the folders that the command needs.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Entries of /proc that tell about the host, or do something to it. OCI runtimes mask these too.
const PROC_MASKS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
];

/// Readable by uid 0 alone, which real root still is to the host's kernel.
const PROC_MASKS_OF_ROOT: &[&str] = &[
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/pagetypeinfo",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
];

/// Gathers what the plan of this policy needs to know.
pub fn facts(
    policy: &Policy,
    resolved: &Resolved,
    home: Option<&Path>,
    (firewall, ports): (FirewallFacts, PortFacts),
) -> Result<Facts, Failure> {
    let uid = nix::unistd::geteuid().as_raw();
    let copies = matches!(policy.filesystem.workspace.value, Workspace::Copy { .. });
    if !look::exists(Path::new("/proc/self/ns"))? {
        return Err(Failure::new(
            failure::Kind::Refused,
            "/proc is not there, or is not the kernel's",
        )
        .at(Stage::Resolve)
        .because("the namespaces are mapped, and what was set is read back, by files of /proc")
        .hint("sudo mount -t proc proc /proc"));
    }
    let user_home = match home {
        Some(home) => look::found(home, fs::canonicalize(home))?,
        None => None,
    };
    Ok(Facts {
        uid,
        gid: nix::unistd::getegid().as_raw(),
        user_home,
        landlock_abi: crate::sys::landlock::abi(),
        landlock_errno: crate::sys::landlock::errno(),
        runs: paths::runs(policy, home)?,
        entries: paths::entries(policy),
        time_namespace: look::exists(Path::new("/proc/self/ns/time"))?,
        overlay: copies && has_overlay(),
        ipv6: look::exists(Path::new("/proc/net/if_inet6"))?,
        cgroup: cgroup(policy),
        firewall,
        ports,
        now: SystemTime::now(),
        root_links: paths::root_links()?,
        paths: paths::gather(policy, resolved)?,
        proc_masks: proc_masks(uid)?,
        environment: environment(policy),
        search_path: SEARCH_PATH.to_owned(),
    })
}

/// Which of the limits a cgroup could carry here. Asked together first: that is the usual answer.
fn cgroup(policy: &Policy) -> CgroupFacts {
    let mut wanted = Controllers::from([Controller::Memory, Controller::Cpu, Controller::Pids]);
    if policy.limits.io.is_some() {
        wanted.insert(Controller::Io);
    }
    let all = Support::probe(&wanted);
    let (offered, why, fix) = match all.how {
        How::NoneBecause { reason, fix } => {
            // Less than everything may still be there.
            let some = Support::probe(&Controllers::new());
            let none = matches!(some.how, How::NoneBecause { .. });
            (if none { Controllers::new() } else { some.controllers }, reason, fix)
        }
        _ => (wanted.clone(), String::new(), String::new()),
    };
    let has = |controller| wanted.contains(&controller) && offered.contains(&controller);
    CgroupFacts {
        memory: has(Controller::Memory),
        cpu: has(Controller::Cpu),
        pids: has(Controller::Pids),
        io: has(Controller::Io),
        own_users: false,
        why,
        fix,
    }
}

fn has_overlay() -> bool {
    fs::read_to_string("/proc/filesystems").is_ok_and(|list| {
        list.lines().any(|line| line.trim_start_matches("nodev").trim() == "overlay")
    })
}

fn proc_masks(uid: u32) -> Result<Vec<(PathBuf, Kind)>, Failure> {
    let of_root = if uid == 0 { PROC_MASKS_OF_ROOT } else { &[] };
    // hidepid does not count for group 0, which real root still is: init's command line, with the
    // options of `jail run`, would be readable.
    let init = (uid == 0).then(|| (PathBuf::from("/proc/1"), Kind::Dir));
    let mut masks = Vec::new();
    if broken(Control::ProcMasks) {
        return Ok(masks);
    }
    for path in PROC_MASKS.iter().chain(of_root).map(PathBuf::from) {
        if let Some(found) = look::found(&path, fs::metadata(&path))? {
            masks.push((path, if found.is_dir() { Kind::Dir } else { Kind::File }));
        }
    }
    masks.extend(init);
    Ok(masks)
}

/// Only the variables that the plan may pass on: the rest of the caller's environment is never held.
fn environment(policy: &Policy) -> BTreeMap<String, String> {
    let named = policy
        .env
        .iter()
        .filter(|entry| entry.value.value == EnvValue::FromHost)
        .map(|entry| entry.value.name.as_str());
    crate::plan::PASSED_ENV
        .iter()
        .copied()
        .chain(named)
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect()
}
