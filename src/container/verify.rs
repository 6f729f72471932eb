//! Every control that was asked for, held against what the kernel says. Pure.
//!
//! `inspect` repeats what an engine was told; whether it did it is in /proc of the container's first process,
//! which is ours, and in the cgroup's files.

use super::cgroup::InForce;
use super::translate::{User, is_own, shown};
use super::wire::Sight;
use crate::failure::{Failure, Kind};
use crate::plan::{CgroupPlan, MountStep, Plan, Stage, human};
use std::path::{Path, PathBuf};

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

/// Every control, in the order in which they are shown.
pub fn check(facts: &Facts<'_>, sight: &Sight, limits: &InForce) -> Vec<Checked> {
    let status = Status(&sight.status);
    let mounts = mounts(&sight.mountinfo);
    let checked = |control, stage, unmet: Option<String>| Checked { control, stage, unmet };
    let mut all = vec![
        checked("user", Stage::IdMap, user(&status, facts.user)),
        checked("capabilities", Stage::Capabilities, capabilities(&status)),
        checked("no-new-privileges", Stage::NoNewPrivs, is(&status, "NoNewPrivs", "1")),
        checked("seccomp", Stage::Seccomp, is(&status, "Seccomp", "2")),
        checked("namespaces", Stage::Namespaces, namespaces(facts.ours, &sight.namespaces)),
        checked("read-only-root", Stage::Mounts, root(&mounts)),
        checked("mounts", Stage::Mounts, planned(facts, &mounts, sight)),
        checked("nothing-else-writable", Stage::Mounts, others(facts, &mounts)),
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
        let found = status.field(set)?;
        found.bytes().any(|b| b != b'0').then(|| format!("{set} is {found}"))
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

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    options: Vec<String>,
    kind: String,
    super_options: Vec<String>,
}

impl Mount {
    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// Nothing can be written, whichever of the two says so.
    fn read_only(&self) -> bool {
        self.has("ro") || self.super_options.iter().any(|option| option == "ro")
    }

    fn size(&self) -> Option<u64> {
        let text = self.super_options.iter().find_map(|option| option.strip_prefix("size="))?;
        let (number, unit) = match text.strip_suffix('k') {
            Some(number) => (number, 1024),
            None => (text, 1),
        };
        number.parse::<u64>().ok().map(|number| number * unit)
    }
}

fn mounts(text: &str) -> Vec<Mount> {
    let words = |text: &str| text.split(',').map(ToOwned::to_owned).collect::<Vec<_>>();
    let one = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(4);
        let (at, options) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, super_options) = (right.next()?, right.nth(1).unwrap_or_default());
        Some(Mount {
            at: PathBuf::from(at.replace("\\040", " ").replace("\\134", "\\")),
            options: words(options),
            kind: kind.to_owned(),
            super_options: words(super_options),
        })
    };
    text.lines().filter_map(one).collect()
}

/// The mount that is seen at a path: the last one made there.
fn at<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.at == path)
}

fn root(mounts: &[Mount]) -> Option<String> {
    match at(mounts, Path::new("/")) {
        Some(root) if root.read_only() => None,
        Some(_) => Some("the root is writable".to_owned()),
        None => Some("there is no root in mountinfo".to_owned()),
    }
}

fn planned(facts: &Facts<'_>, mounts: &[Mount], sight: &Sight) -> Option<String> {
    as_planned(facts.plan, mounts).or_else(|| exchanged(facts.plan, sight))
}

/// The engine opened what is granted by its name. What it shows must be what the plan was made for: another program
/// may have put something else there in between.
fn exchanged(plan: &Plan, sight: &Sight) -> Option<String> {
    shown(plan).find_map(|(target, planned)| {
        let found = sight.binds.iter().find(|(path, _)| *path == target);
        let shown = target.display();
        match found.map(|(_, found)| found) {
            Some(Ok(found)) if *found == (planned.device, planned.inode) => None,
            Some(Ok(_)) => Some(format!("{shown} is not what was granted: it was exchanged")),
            Some(Err(errno)) => {
                let why = nix::errno::Errno::from_raw(*errno).desc();
                Some(format!("{shown} cannot be looked at from inside: {why}"))
            }
            None => Some(format!("{shown} was not looked at")),
        }
    })
}

fn as_planned(plan: &Plan, mounts: &[Mount]) -> Option<String> {
    plan.mounts.iter().find_map(|step| {
        let target = step.target();
        let shown = target.display();
        let mount = at(mounts, &target);
        match step {
            MountStep::Tmpfs { size, exec, .. } => match mount {
                Some(mount) => tmpfs(mount, *size, *exec).map(|why| format!("{shown}: {why}")),
                None => Some(format!("{shown} is not mounted")),
            },
            MountStep::Bind(bind) => match mount {
                Some(mount) if bind.write || mount.has("ro") => None,
                Some(_) => Some(format!("{shown} is writable")),
                None => Some(format!("{shown} is not mounted")),
            },
            MountStep::Mask { .. } => match mount {
                Some(mount) if mount.kind == "tmpfs" && mount.read_only() => None,
                _ => Some(format!("{shown} is not hidden")),
            },
            _ => None,
        }
    })
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

/// Mounts of engines that are not read-only and hold nothing that is kept or shared.
fn harmless(mount: &Mount) -> bool {
    const KERNEL: [&str; 6] = ["proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"];
    let at = &mount.at;
    KERNEL.contains(&mount.kind.as_str())
        || at == Path::new("/dev")
        || at == Path::new("/dev/shm")
        || at.starts_with("/sys/fs/cgroup")
        // Device nodes, and the null device over what is masked.
        || (at.starts_with("/dev") && ["devtmpfs", "tmpfs"].contains(&mount.kind.as_str()))
        || (at.starts_with("/proc") && ["devtmpfs", "tmpfs"].contains(&mount.kind.as_str()))
}

/// Nothing else can be written: a volume that an image or a configuration file adds, a mount below a bind.
fn others(facts: &Facts<'_>, mounts: &[Mount]) -> Option<String> {
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
mod tests;
