//! `--sandbox=landlock`: the plan of a run without namespaces, for hosts that forbid them.
//!
//! The connector keeps the host's view of files, processes and network; Landlock and seccomp refuse what
//! the namespaces would have hidden. The rules are made from the same list that the mounts are made
//! from, so that a policy grants the same in both. What cannot be kept here is refused.

use super::landlock::{self, LandlockPlan, PathAccess, Rights, Seen};
use super::{Facts, Gap, Kind, MountStep, NetworkPlan, Probe, SeccompPlan, Stage, mounts};
use crate::failure::{Failure, Kind as FailureKind};
use crate::policy::{Control, Policy, Workspace};
use crate::seccomp;
use landlock::Tcp;
use std::path::{Path, PathBuf};

/// Without a rule for truncation (ABI 3, Linux 6.2) every file of the user could be emptied.
const LEAST_ABI: u32 = 3;
/// Since then signals and abstract sockets can be kept inside.
const SCOPES: u32 = 6;

/// Files of /etc that mounts would replace by the jail's own; each of them everybody may read.
pub const ETC: [&str; 3] = ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"];

/// What runtimes read of the machine. Not /proc itself: it has the command lines of all processes.
pub const PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/vm/max_map_count",
    "/proc/sys/vm/overcommit_memory",
];

/// What they read of themselves. The rules are for the connector's first process: those that it starts
/// have files of their own, for which no rule can be made any more.
pub const OWN: [&str; 8] = [
    "/proc/self/cmdline",
    "/proc/self/comm",
    "/proc/self/fd",
    "/proc/self/limits",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
];

pub const DEVICES: [&str; 1] = ["/dev/tty"];

/// What takes the place of the namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// Where all runs have their folders.
    pub runs: PathBuf,
    /// This run's own.
    pub folder: PathBuf,
    /// Root can lock its securebits and bounding set; nobody else has a capability for it.
    pub root: bool,
    /// The namespaces that are not there, and what that means.
    pub lost: Vec<Gap>,
}

impl HostView {
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub fn tmp(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    pub fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// A file of the run that the connector may not open, for the proof.
    pub fn canary(&self) -> PathBuf {
        self.folder.join("not-granted")
    }

    /// A file that the proof tries to make.
    pub fn beside(&self) -> PathBuf {
        self.folder.join("not-made")
    }
}

/// The view, or why this policy cannot be kept without namespaces.
pub(super) fn view(
    policy: &Policy,
    facts: &Facts,
    network: &NetworkPlan,
    run_id: &str,
    gaps: &mut Vec<Gap>,
) -> Result<HostView, Failure> {
    refuse_network(policy, network)?;
    refuse_sizes(policy)?;
    accept(policy, facts, gaps)?;
    let Some(runs) = &facts.runs else {
        return Err(refused("there is no place for the run's own folder")
            .because("neither HOME nor XDG_CACHE_HOME is set"));
    };
    let lost = LOST.iter().map(|(control, why)| Gap {
        control: (*control).to_owned(),
        why: (*why).to_owned(),
        fix: "--sandbox=namespace, where user namespaces are allowed".to_owned(),
        allowed_by: policy.sandbox.origin.to_string(),
    });
    Ok(HostView {
        folder: runs.join(format!("run-{run_id}")),
        runs: runs.clone(),
        root: facts.uid == 0,
        lost: lost.collect(),
    })
}

const LOST: [(&str, &str); 7] = [
    (
        "user namespace",
        "the connector is your own user to the kernel, your groups included; only Landlock and seccomp \
         know it from you",
    ),
    (
        "mount namespace",
        "paths are the host's: that a file is there, its size, times, mode and target can be seen \
         wherever you could see them, and changes be watched; there is no /tmp; the size of what it \
         writes is not limited",
    ),
    (
        "pid namespace",
        "the numbers of all processes can be seen; what a killed jail and its killed init leave is \
         ended by nobody",
    ),
    ("net namespace", "the network is the host's: there are no sockets instead, not even its own"),
    ("ipc namespace", "System V IPC and message queues are refused instead"),
    ("uts namespace", "the host's name can be seen"),
    ("cgroup namespace", "none is needed: nothing of /sys can be opened"),
];

fn refuse_network(policy: &Policy, network: &NetworkPlan) -> Result<(), Failure> {
    const WHY: &str = "without a network namespace nothing leads through the proxy alone, so that \
                       this tier has no sockets at all";
    if matches!(network, NetworkPlan::Proxied(_)) {
        return Err(refused("--sandbox=landlock has no way out, and this run asks for one")
            .because(WHY)
            .hint("--network none, if it can do without; rules then count for nothing"));
    }
    if policy.network.loopback.value {
        return Err(refused("--sandbox=landlock has no loopback of its own")
            .because(format!("asked by {}", policy.network.loopback.origin))
            .because(WHY));
    }
    match policy.ports.first() {
        Some(port) => Err(refused(format!(
            "--sandbox=landlock cannot listen on port {} ({})",
            port.value.listen, port.origin
        ))
        .because(WHY)),
        None => Ok(()),
    }
}

/// Folders on the host's disk have no size; one that was asked for would not hold.
fn refuse_sizes(policy: &Policy) -> Result<(), Failure> {
    let scratch = &policy.filesystem.scratch;
    if scratch.origin.is_explicit() {
        return Err(refused(format!(
            "the size of TMPDIR and HOME ({}) cannot be enforced without a mount namespace",
            scratch.origin
        ))
        .hint("take it out; limits.file_size bounds each single file"));
    }
    let workspace = &policy.filesystem.workspace;
    if let Workspace::Tmpfs { size } = workspace.value
        && workspace.origin.is_explicit()
        && size != crate::policy::WORKSPACE_SIZE
    {
        return Err(refused(format!(
            "the size of the workspace ({}) cannot be enforced without a mount namespace",
            workspace.origin
        ))
        .hint("take it out; limits.file_size bounds each single file"));
    }
    Ok(())
}

/// What only the owner can accept.
fn accept(policy: &Policy, facts: &Facts, gaps: &mut Vec<Gap>) -> Result<(), Failure> {
    if facts.landlock_abi < LEAST_ABI {
        let why = match facts.landlock_abi {
            0 => format!(
                "landlock_create_ruleset: {}",
                nix::errno::Errno::from_raw(facts.landlock_errno)
            ),
            abi => format!(
                "landlock_create_ruleset: ABI {abi} has no rule for truncation (EINVAL), so that every \
                 file of yours could be emptied"
            ),
        };
        return Err(refused("Landlock cannot be enforced here, and nothing else would hold")
            .at(Stage::Landlock)
            .because(why)
            .hint("boot a kernel ≥ 6.2 with `landlock` in lsm=")
            .hint("or allow user namespaces: `jail doctor host` says how"));
    }
    if facts.landlock_abi < SCOPES {
        missing(
            policy,
            gaps,
            Control::Signals,
            "before Landlock ABI 6 (Linux 6.12) nothing keeps signals inside: the connector could end \
             every process of yours, jail's own included",
            "boot a kernel ≥ 6.12",
        )?;
    }
    if facts.uid == 0 {
        missing(
            policy,
            gaps,
            Control::User,
            "without a user namespace root's connector stays root of this machine to files and to what \
             asks for a user id instead of a capability",
            "run jail as an ordinary user",
        )?;
    }
    Ok(())
}

fn missing(
    policy: &Policy,
    gaps: &mut Vec<Gap>,
    control: Control,
    why: &str,
    fix: &str,
) -> Result<(), Failure> {
    let Some(owner) = policy.allow_missing.iter().find(|c| c.value == control) else {
        let what = format!("--sandbox=landlock cannot enforce `{control}` here");
        return Err(refused(what)
            .at(Stage::Landlock)
            .because(why)
            .hint(fix)
            .hint(format!("or accept to run without it: --allow-missing {control}")));
    };
    gaps.push(Gap::new(control, why, fix, &owner.origin));
    Ok(())
}

/// The ruleset on the host's own paths.
pub(super) fn landlock(
    policy: &Policy,
    facts: &Facts,
    view: &HostView,
    steps: &[MountStep],
) -> Result<LandlockPlan, Failure> {
    let tcp = Tcp { loopback: false, proxied: false, listen: &[] };
    let rights = Rights::at(facts.landlock_abi);
    let mut plan =
        landlock::ruleset(facts.landlock_abi, &tcp, paths(policy, facts, view, steps, &rights)?);
    plan.beyond = [(4, "TCP bind and connect"), (5, "device ioctls")]
        .iter()
        .filter(|(since, _)| facts.landlock_abi < *since)
        .map(|(since, what)| format!("{what} (held by seccomp): needs Landlock ABI {since}"))
        .collect();
    Ok(plan)
}

fn paths(
    policy: &Policy,
    facts: &Facts,
    view: &HostView,
    steps: &[MountStep],
    rights: &Rights,
) -> Result<Vec<PathAccess>, Failure> {
    let mut rules = Vec::new();
    for step in steps {
        refuse_step(step)?;
        match step {
            MountStep::Bind(bind) => {
                let (access, text) = rights.of_bind(bind);
                rules.push(rights.rule(&bind.host, Seen::Host(bind.identity), access, text));
            }
            MountStep::Device { name } => {
                let path = Path::new("/dev").join(name);
                rules.push(rights.rule(path, Seen::Own, rights.device(), "use"));
            }
            _ => {}
        }
    }
    for device in DEVICES.iter().map(Path::new).filter(|path| facts.path(path).is_some()) {
        rules.push(rights.rule(device, Seen::Own, rights.device(), "use"));
    }
    for fact in ETC.iter().chain(&PROC).filter_map(|path| facts.path(Path::new(path))) {
        let access = if fact.kind == Kind::Dir { rights.look_in() } else { rights.read_file() };
        rules.push(rights.rule(&fact.canonical, Seen::Host(fact.identity), access, "read"));
    }
    for path in OWN {
        let folder = path.ends_with("/fd");
        let access = if folder { rights.list() } else { rights.read_file() };
        rules.push(rights.rule(path, Seen::Process, access, if folder { "list" } else { "read" }));
    }
    let own = [(view.home(), true), (view.tmp(), false), (view.workspace(), true)];
    let shared = !matches!(policy.filesystem.workspace.value, Workspace::Tmpfs { .. });
    for (path, exec) in own.into_iter().take(if shared { 2 } else { 3 }) {
        rules.push(rights.rule(path, Seen::Own, rights.write(exec), "read, write"));
    }
    Ok(rules)
}

/// Landlock adds up what is allowed, and takes nothing away below it; and it shows nothing elsewhere.
fn refuse_step(step: &MountStep) -> Result<(), Failure> {
    let at = step.target();
    let shown = at.display();
    match step {
        MountStep::Bind(bind) if mounts::is_protection(step) => Err(refused(format!(
            "{} acts later, outside, and without a mount namespace nothing keeps the connector from \
             changing it",
            bind.host.display()
        ))
        .hint("grant the folders beside it instead of the one that holds it")
        .hint("or let the connector change it: `unprotect` in the manifest")),
        MountStep::Mask { .. } if !at.starts_with("/proc") => Err(refused(format!(
            "{shown} is jail's own, and without a mount namespace it cannot be hidden below a granted folder"
        ))
        .hint("grant the folders beside it instead of the one that holds it")),
        MountStep::Overlay { host, .. } => Err(refused(format!(
            "a throw-away copy of {} needs a mount namespace",
            host.display()
        ))
        .hint("copy it yourself and give the copy: --workspace host:PATH")),
        MountStep::SecretFile { .. } => Err(refused(format!(
            "the secret file {shown} needs a mount namespace, in which it is in memory only"
        ))
        .hint("give the secret in a variable: `to: {env: NAME}`")),
        _ => Ok(()),
    }
}

/// The connector's own profile and this tier's: a call must pass both.
pub(super) fn filter(own: SeccompPlan) -> Result<SeccompPlan, Failure> {
    let program = seccomp::built_in("landlock")
        .and_then(|tier| seccomp::join(&own.program, tier))
        .ok_or_else(|| {
            refused(format!("the seccomp profile {} is too long for --sandbox=landlock", own.name))
                .at(Stage::Seccomp)
        })?;
    // Two programs that are one: it has no telling form.
    let name = format!("{} and landlock", own.name);
    Ok(SeccompPlan { name, program: program.into(), telling: None })
}

/// What can be shown from inside here.
pub(super) fn probes(abi: u32, root: bool) -> Vec<Probe> {
    let late = [
        (4, Probe::LandlockConnect),
        (SCOPES, Probe::SignalInit),
        (SCOPES, Probe::SignalSupervisor),
    ];
    let applies = |probe: &Probe| {
        late.iter().all(|(since, late)| late != probe || abi >= *since)
            // It is root already; that it has no capability is shown by the others.
            && !(root && *probe == Probe::BecomeRoot)
    };
    Probe::without_namespaces().into_iter().filter(applies).collect()
}

fn refused(what: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Refused, what).at(Stage::Resolve)
}
