//! Every control that was asked for, held against what the kernel says. Pure.
//!
//! `inspect` repeats what an engine was told; whether it did it is in /proc of the container's first process,
//! which is ours, and in the cgroup's files.

use super::cgroup::InForce;
use super::mountinfo::{Mount, Mounts};
use super::own::FOLDER;
use super::translate::{self, User, is_own};
use super::wire::Sight;
use crate::failure::{Failure, Kind};
use crate::plan::{Bind, CgroupPlan, MountStep, Plan, Stage, human};
use std::path::Path;

/// One control that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub control: &'static str,
    pub stage: Stage,
    /// What was found where it is not in force.
    pub unmet: Option<String>,
}

/// What is compared.
pub struct Facts<'a> {
    pub plan: &'a Plan,
    pub user: User,
    /// Where the namespaces of the supervisor are.
    pub ours: &'a [(String, String)],
    pub volumes: &'a [String],
}

/// Namespaces that a container has for itself.
pub const NAMESPACES: [&str; 5] = ["pid", "net", "ipc", "uts", "mnt"];

/// Memory that processes of a container share.
const SHARED: &str = "/dev/shm";
/// What every engine hides, where the kernel has it: memory, keys and timers of the machine, its firmware.
pub const MASKED: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
/// And what it mounts read-only: settings of the kernel.
pub const FROZEN: [&str; 5] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];

/// Every control, in the order in which they are shown.
pub fn check(facts: &Facts<'_>, sight: &Sight, limits: &InForce) -> Vec<Checked> {
    let status = Status(&sight.status);
    let mounts = Mounts::of(&sight.mountinfo);
    let checked = |control, stage, unmet: Option<String>| Checked { control, stage, unmet };
    let mut all = vec![
        checked("user", Stage::IdMap, user(&status, facts.user)),
        checked("capabilities", Stage::Capabilities, capabilities(&status)),
        checked("no-new-privileges", Stage::NoNewPrivs, is(&status, "NoNewPrivs", "1")),
        checked("seccomp", Stage::Seccomp, is(&status, "Seccomp", "2")),
        checked("namespaces", Stage::Namespaces, namespaces(facts.ours, &sight.namespaces)),
        checked("read-only-root", Stage::Mounts, root(&mounts)),
        checked("mounts", Stage::Mounts, planned(facts.plan, &mounts, sight)),
        checked("nothing-else-writable", Stage::Mounts, others(facts, &mounts)),
        checked("masked-paths", Stage::Mounts, masked(&mounts, sight)),
        checked("writable-places", Stage::Mounts, writable(sight)),
        checked("no-route", Stage::Network, routes(sight)),
        checked("proof", Stage::Proof, tried(sight)),
    ];
    all.extend(cgroup(&facts.plan.cgroup, limits));
    all
}

/// The first that is not in force refuses the run; the others are told with it.
pub fn refusal(checked: &[Checked], engine: &str) -> Option<Failure> {
    let mut unmet = checked.iter().filter_map(|it| Some((it, it.unmet.as_ref()?)));
    let (first, why) = unmet.next()?;
    let what =
        format!("{engine} did not apply `{}`, and the connector was not started", first.control);
    let mut failure = Failure::new(Kind::Refused, what).at(first.stage).because(why);
    for (other, why) in unmet {
        failure = failure.because(format!("nor `{}`: {why}", other.control));
    }
    Some(failure.hint(fix(first.control, engine)))
}

fn fix(control: &str, engine: &str) -> String {
    match control {
        "memory" | "swap" | "cpus" => format!(
            "accept to run without it: --allow-missing {}; or look at `{engine} info` for warnings",
            if control == "cpus" { "cpus" } else { "memory" }
        ),
        "pids" => "accept to run without it: --allow-missing pids".to_owned(),
        "user" => "take out what maps users in the engine's configuration (userns-remap, userns)"
            .to_owned(),
        "writable-places" => {
            "what is granted for writing must be writable for the container's user; a folder \
                              of the image that is in its place may have a mode that forbids it"
                .to_owned()
        }
        "masked-paths" => format!("take out what unmasks them in the configuration of {engine}"),
        "nothing-else-writable" | "mounts" => format!(
            "take out what mounts more in the engine's configuration (containers.conf, daemon.json of {engine})"
        ),
        _ => format!(
            "look for options that the configuration of {engine} adds; `jail explain` shows the command; \
             or --sandbox=namespace"
        ),
    }
}

struct Status<'a>(&'a str);

impl Status<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

fn is(status: &Status<'_>, name: &str, expected: &str) -> Option<String> {
    let found = status.field(name).unwrap_or("missing");
    (found != expected).then(|| format!("{name} is {found}, not {expected}"))
}

fn user(status: &Status<'_>, user: User) -> Option<String> {
    for (name, id) in [("Uid", user.uid), ("Gid", user.gid)] {
        let found = status.field(name).unwrap_or_default();
        let all = found.split_whitespace().collect::<Vec<_>>();
        if all.len() != 4 || all.iter().any(|found| *found != id.to_string()) {
            return Some(format!("{name} is `{found}`, not {id}"));
        }
    }
    let groups = status.field("Groups").unwrap_or_default();
    let foreign = groups.split_whitespace().find(|group| *group != user.gid.to_string());
    foreign.map(|group| format!("it is in the group {group} too"))
}

fn capabilities(status: &Status<'_>) -> Option<String> {
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].iter().find_map(|set| {
        let found = status.field(set).unwrap_or("missing");
        let none = !found.is_empty() && found.bytes().all(|b| b == b'0');
        (!none).then(|| format!("{set} is {found}"))
    })
}

fn namespaces(ours: &[(String, String)], theirs: &[(String, String)]) -> Option<String> {
    let of = |all: &[(String, String)], name: &str| {
        all.iter().find(|(known, _)| known == name).map(|(_, id)| id.clone())
    };
    NAMESPACES.iter().find_map(|name| match (of(ours, name), of(theirs, name)) {
        (Some(ours), Some(theirs)) if ours != theirs => None,
        (Some(_), Some(_)) => Some(format!("the {name} namespace is the host's")),
        _ => Some(format!("the {name} namespace cannot be told")),
    })
}

fn root(mounts: &Mounts) -> Option<String> {
    match mounts.at(Path::new("/")) {
        Some(root) if root.read_only() => None,
        Some(_) => Some("the root is writable".to_owned()),
        None => Some("there is no root in mountinfo".to_owned()),
    }
}

fn planned(plan: &Plan, mounts: &Mounts, sight: &Sight) -> Option<String> {
    let steps = plan.mounts.iter().enumerate().find_map(|(index, step)| {
        let target = step.target();
        let shown = target.display();
        let mount = mounts.at(&target);
        match step {
            MountStep::Tmpfs { size, exec, .. } => scratch(mount, &target, *size, *exec),
            MountStep::Bind(_) if translate::covered(plan, index) => None,
            MountStep::Bind(bind) => match mount {
                Some(mount) if bind.write || mount.has("ro") => {
                    file(bind, sight).map(|why| format!("{shown}: {why}"))
                }
                Some(_) => Some(format!("{shown} is writable")),
                None => Some(format!("{shown} is not mounted")),
            },
            MountStep::Mask { .. } => match mount {
                Some(mount) if mount.kind == "tmpfs" && mount.read_only() => None,
                _ => Some(format!("{shown} is not hidden")),
            },
            _ => None,
        }
    });
    let size = plan.policy.filesystem.scratch.value.0;
    steps.or_else(|| scratch(mounts.at(Path::new(SHARED)), Path::new(SHARED), size, false)).or_else(
        || match mounts.at(Path::new(FOLDER)) {
            Some(own) if own.kind == "tmpfs" && own.read_only() => None,
            _ => Some(format!("what the image has at {FOLDER} is not hidden")),
        },
    )
}

/// The very file that was planned: by its name the engine may have opened another one.
fn file(bind: &Bind, sight: &Sight) -> Option<String> {
    let target = translate::target(bind);
    let Some(seen) = sight.shown.iter().find(|seen| seen.path == target) else {
        return Some("it was not looked at".to_owned());
    };
    if seen.errno != 0 {
        let why = nix::errno::Errno::from_raw(seen.errno).desc();
        return Some(format!("the container's user cannot look at it ({why})"));
    }
    let planned = (bind.identity.device, bind.identity.inode);
    ((seen.device, seen.inode) != planned)
        .then(|| format!("it is not {}, which was exchanged", bind.host.display()))
}

fn scratch(mount: Option<&Mount>, at: &Path, size: u64, exec: bool) -> Option<String> {
    let shown = at.display();
    match mount {
        Some(mount) => tmpfs(mount, size, exec).map(|why| format!("{shown}: {why}")),
        None => Some(format!("{shown} is not mounted")),
    }
}

/// Every path of [`MASKED`] and [`FROZEN`].
pub fn system() -> impl Iterator<Item = &'static Path> {
    MASKED.iter().chain(&FROZEN).map(Path::new)
}

/// What engines hide of /proc and /sys, and keep from being written.
fn masked(mounts: &Mounts, sight: &Sight) -> Option<String> {
    if sight.system.is_empty() {
        return Some("nothing was looked at".to_owned());
    }
    let there = |path: &&&str| sight.system.iter().any(|known| known == Path::new(path));
    let seen = MASKED.iter().filter(there).find(|path| {
        let hides = |mount: &Mount| {
            let null = mount.root.ends_with("null");
            null || (mount.kind == "tmpfs" && mount.read_only())
        };
        !mounts.at(Path::new(path)).is_some_and(hides)
    });
    if let Some(path) = seen {
        return Some(format!("{path} is not hidden"));
    }
    let mut frozen = FROZEN.iter().filter(there);
    let written =
        frozen.find(|path| !mounts.holding(Path::new(path)).is_some_and(Mount::read_only));
    written.map(|path| format!("{path} is mounted for writing"))
}

fn tmpfs(mount: &Mount, size: u64, exec: bool) -> Option<String> {
    if mount.kind != "tmpfs" {
        return Some(format!("it is {}, not tmpfs", mount.kind));
    }
    let missing = ["nosuid", "nodev", "noexec"]
        .into_iter()
        .filter(|option| *option != "noexec" || !exec)
        .find(|option| !mount.has(option));
    if let Some(option) = missing {
        return Some(format!("it is not {option}"));
    }
    // The kernel counts in pages.
    match mount.size() {
        Some(found) if found <= size.next_multiple_of(4096) => None,
        Some(found) => Some(format!("it has {}, not {}", human(found), human(size))),
        None => Some("it has no size".to_owned()),
    }
}

/// Mounts of engines that are not read-only and hold nothing that is kept or shared. /sys and cgroups are not
/// among them: they are the machine's; only the folder that holds the hierarchies of version 1 is a tmpfs.
fn harmless(mount: &Mount) -> bool {
    let own = [
        ("proc", "/proc"),
        ("devpts", "/dev/pts"),
        ("mqueue", "/dev/mqueue"),
        ("tmpfs", "/sys/fs/cgroup"),
    ];
    let is = |(kind, at): &(&str, &str)| mount.kind == *kind && mount.at == Path::new(at);
    let devices = ["devtmpfs", "tmpfs"].contains(&mount.kind.as_str());
    // Device nodes, and the null device over what is masked.
    own.iter().any(is)
        || (devices && (mount.at.starts_with("/dev") || mount.at.starts_with("/proc")))
}

/// Nothing else can be written: a volume that an image or a configuration file adds, a mount below a bind.
fn others(facts: &Facts<'_>, mounts: &Mounts) -> Option<String> {
    let wanted = |path: &Path| {
        let step = facts.plan.mounts.iter().any(|step| match step {
            MountStep::Tmpfs { .. } => step.target() == path,
            MountStep::Bind(bind) => bind.write && step.target() == path,
            _ => false,
        });
        step || path == Path::new("/run/secrets")
            || facts.volumes.iter().any(|volume| Path::new(volume) == path)
    };
    let foreign = mounts.iter().find(|mount| {
        !mount.read_only() && !harmless(mount) && !wanted(&mount.at) && !is_own(&mount.at)
    });
    foreign.map(|mount| format!("{} ({}) can be written", mount.at.display(), mount.kind))
}

/// A connector that cannot write where it may fails in ways that nobody understands.
fn writable(sight: &Sight) -> Option<String> {
    let (path, errno) = sight.writable.iter().find(|(_, errno)| *errno != 0)?;
    let why = nix::errno::Errno::from_raw(*errno).desc();
    Some(format!("{} cannot be written: {why}", path.display()))
}

/// The header of `route` is a line; `ipv6_route` has lines for the loopback alone.
fn routes(sight: &Sight) -> Option<String> {
    let four = sight.routes.lines().skip(1).find_map(|line| line.split_whitespace().next());
    let six = sight.routes6.lines().filter_map(|line| line.split_whitespace().last());
    let out = four.into_iter().chain(six).find(|interface| *interface != "lo");
    out.map(|interface| format!("there is a route over {interface}"))
}

fn tried(sight: &Sight) -> Option<String> {
    if sight.tried.is_empty() {
        return Some("nothing was tried".to_owned());
    }
    let worked = sight.tried.iter().find(|(_, errno)| *errno == 0);
    worked.map(|(what, _)| format!("`{what}` worked, and it must not"))
}

fn cgroup(plan: &CgroupPlan, found: &InForce) -> Vec<Checked> {
    let at_most = |control, wanted: Option<u64>, found: Option<u64>| {
        wanted.map(|wanted| Checked {
            control,
            stage: Stage::Cgroup,
            unmet: match found {
                Some(found) if found <= wanted => None,
                Some(found) => Some(format!("the cgroup has {found}, not {wanted}")),
                None => Some("the cgroup has no such limit, or it cannot be read".to_owned()),
            },
        })
    };
    let memory = plan.memory.map(|memory| memory.0);
    [
        at_most("memory", memory, found.memory),
        at_most("swap", memory, found.memory_and_swap),
        at_most("cpus", plan.cpus.map(|cpus| cpus.0.into()), found.cpus),
        at_most("pids", plan.pids.map(|pids| u64::from(pids) + 1), found.pids),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
pub(super) mod tests;
