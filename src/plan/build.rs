//! Policy and facts → plan, or the reason why not.

use super::{
    CgroupPlan, ExecPlan, Facts, Gap, HostView, INSIDE_WORKSPACE, IdMap, NetworkPlan, Plan, Probe,
    ProcessPlan, Proxied, Rlimit, SeccompPlan, Stage, Sysctl, env, host_view, mounts, publish,
    wall,
};
use crate::failure::{Failure, Kind};
use crate::firewall::{Rules, Unlisted, Who};
use crate::planted::{Control as Planted, broken};
use crate::policy::{Backend, Control, NetworkMode, Origin, Policy, Setting, Workspace};
use crate::resolve::Resolved;
use nix::sys::resource::Resource;
use std::path::{Path, PathBuf};

/// Host files that exist nearly everywhere and that no jail shows; the first one not granted is the canary.
pub const CANARIES: [&str; 4] = ["/etc/shadow", "/etc/machine-id", "/var/lib/dpkg/status", "/boot"];

const SYSCTLS: &[Sysctl] = &[
    Sysctl {
        path: c"/proc/sys/user/max_user_namespaces",
        value: "0",
        why: "no user namespace inside",
        required: false,
    },
    // Counted per user of the host as well: a jail that takes them all stops the person's editors.
    Sysctl {
        path: c"/proc/sys/user/max_inotify_instances",
        value: "32",
        why: "a quarter of what the user usually has",
        required: false,
    },
    Sysctl {
        path: c"/proc/sys/user/max_inotify_watches",
        value: "32768",
        why: "a part of what the user usually has",
        required: false,
    },
    Sysctl {
        path: c"/proc/sys/net/ipv4/tcp_fastopen",
        value: "0",
        why: "TCP Fast Open passes by Landlock's connect rules",
        required: false,
    },
    Sysctl {
        path: c"/proc/sys/net/mptcp/enabled",
        value: "0",
        why: "MPTCP passes by Landlock's rules",
        required: false,
    },
];

/// Makes the plan. Pure: the same inputs give the same plan.
pub fn build(
    policy: Policy,
    facts: &Facts,
    resolved: &Resolved,
    seccomp: SeccompPlan,
    run_id: String,
) -> Result<Plan, Failure> {
    refuse_unbuilt(&policy)?;
    let network = network(&policy, facts);
    let published = match &network {
        NetworkPlan::Loopback | NetworkPlan::Barred => Vec::new(),
        NetworkPlan::Proxied(_) => publish::check(&policy, facts)?,
    };
    let mut gaps = Vec::new();
    let cgroup = cgroup(&policy, facts, &mut gaps)?;
    let contained = policy.sandbox.value == Backend::Container;
    let (mounts, protections) = match contained {
        true => mounts::contained(&policy, facts, &network)?,
        false => mounts::steps(&policy, facts, resolved, &network)?,
    };
    let view = match policy.sandbox.value {
        Backend::Landlock => Some(host_view::view(&policy, facts, &network, &run_id, &mut gaps)?),
        _ => None,
    };
    let landlock = match &view {
        Some(view) => Some(host_view::landlock(&policy, facts, view, &mounts)?),
        None if contained => wall::in_container(&policy, facts, &mounts, &network, &mut gaps),
        None => wall::in_jail(&policy, facts, &mounts, &network, &mut gaps)?,
    };
    let exec = ExecPlan {
        program: resolved.program.clone(),
        argv: policy.command.value.clone(),
        env: env::environment(&policy, facts, resolved, &network, view.as_ref()),
        cwd: INSIDE_WORKSPACE.into(),
        terminal: false,
        traced: false,
    };
    let plan = Plan {
        run_id,
        namespaces: namespaces(facts),
        host_view: None,
        ids: IdMap { host_uid: facts.uid, host_gid: facts.gid, drop_groups: facts.uid == 0 },
        network,
        published,
        process: ProcessPlan {
            hostname: Some(mounts::hostname(&policy)),
            oom_score_adj: 500,
            nice: policy.limits.nice.value,
            sysctls: SYSCTLS.to_vec(),
        },
        canary: canary(&mounts, facts),
        mounts,
        landlock,
        rlimits: rlimits(&policy, facts, &cgroup),
        cgroup,
        seccomp,
        probes: Probe::within_namespaces(),
        exec,
        timeout: policy.limits.timeout.as_ref().map(|t| t.value),
        eof_grace: policy.eof_grace.value,
        gaps,
        protections,
        policy,
    };
    match view {
        Some(view) => without_namespaces(plan, view, facts),
        None if contained => Ok(in_container(plan)),
        None => Ok(plan),
    }
}

/// The same plan without all that makes namespaces, or is made in one.
fn without_namespaces(plan: Plan, view: HostView, facts: &Facts) -> Result<Plan, Failure> {
    let cwd = match &plan.policy.filesystem.workspace.value {
        Workspace::Host { path } => facts.path(path).map(|fact| fact.canonical.clone()),
        Workspace::Tmpfs { .. } | Workspace::Copy { .. } => None,
    };
    Ok(Plan {
        namespaces: 0,
        network: NetworkPlan::Barred,
        process: ProcessPlan { hostname: None, sysctls: Vec::new(), ..plan.process },
        mounts: Vec::new(),
        seccomp: host_view::filter(plan.seccomp)?,
        probes: host_view::probes(facts.landlock_abi, view.root),
        canary: view.canary(),
        exec: ExecPlan { cwd: cwd.unwrap_or_else(|| view.workspace()), ..plan.exec },
        host_view: Some(view),
        ..plan
    })
}

/// The same plan without all that the engine makes.
fn in_container(plan: Plan) -> Plan {
    Plan {
        namespaces: 0,
        process: ProcessPlan { sysctls: Vec::new(), ..plan.process },
        probes: Vec::new(),
        ..plan
    }
}

/// What the policy may say but this version cannot do: refused, never ignored.
fn refuse_unbuilt(policy: &Policy) -> Result<(), Failure> {
    let refused = |what: &str, hint: &str| {
        Err(Failure::new(Kind::Refused, what.to_owned()).at(Stage::Resolve).hint(hint))
    };
    if let Some(package) = &policy.package {
        return refused(
            &format!(
                "package ({}) cannot be started yet: this version fetches nothing",
                package.origin
            ),
            "install it, and name its program with `command`",
        );
    }
    if let Some(rpc) = &policy.rpc {
        return refused(
            &format!(
                "rpc ({}): the JSON-RPC guard is not built yet, and its rules would not be enforced",
                rpc.origin
            ),
            "take the rpc section out to run the connector with its stdio passed through untouched",
        );
    }
    Ok(())
}

fn namespaces(facts: &Facts) -> u64 {
    let mut flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if facts.time_namespace {
        flags |= libc::CLONE_NEWTIME;
    }
    for (control, flag) in [
        (Planted::NamespaceUser, libc::CLONE_NEWUSER),
        (Planted::NamespacePid, libc::CLONE_NEWPID),
        (Planted::NamespaceMount, libc::CLONE_NEWNS),
        (Planted::NamespaceNet, libc::CLONE_NEWNET),
        (Planted::NamespaceIpc, libc::CLONE_NEWIPC),
        (Planted::NamespaceUts, libc::CLONE_NEWUTS),
        (Planted::NamespaceCgroup, libc::CLONE_NEWCGROUP),
        (Planted::NamespaceTime, libc::CLONE_NEWTIME),
    ] {
        if broken(control) {
            flags &= !flag;
        }
    }
    flags as u64
}

/// A way out where one was asked for, or where some rule could allow something.
fn network(policy: &Policy, facts: &Facts) -> NetworkPlan {
    let own = &policy.network;
    let published = policy.ports.iter().filter(|port| port.value.publish.is_some()).count();
    let who = Who {
        connector: policy.name.clone(),
        tool: policy.tool.as_ref().map(|tool| tool.value.clone()),
        run: None,
    };
    let mut rules = Rules(own.rules.clone());
    rules.0.extend(facts.firewall.rules.0.iter().cloned());
    let mut ports = rules.allowed_ports(&who, facts.now);
    let unlisted = unlisted(policy, facts);
    let asks = unlisted.value == Unlisted::Ask;
    if asks {
        // A client that does not know the proxy is to be held, too, before any rule allows its port.
        ports.extend([80, 443]);
        ports.sort_unstable();
        ports.dedup();
    }
    let used = !ports.is_empty() || published > 0 || asks;
    // Where there can be no way out, only one that is asked for is worth a refusal.
    let optional = policy.sandbox.value == Backend::Landlock && !own.mode.origin.is_explicit();
    let wanted = match own.mode.value {
        NetworkMode::None => false,
        NetworkMode::Proxy => used || !optional,
        NetworkMode::Auto => used,
    };
    if !wanted {
        return NetworkPlan::Loopback;
    }
    let mut plan = Proxied::new(&ports, published, facts.ipv6);
    plan.firewall = facts.firewall.clone();
    plan.unlisted = unlisted;
    NetworkPlan::Proxied(Box::new(plan))
}

/// What the connector's own settings say of hosts that no rule names, or the workspace's firewall.
pub fn unlisted(policy: &Policy, facts: &Facts) -> Setting<Unlisted> {
    let own = policy.network.unlisted.clone();
    own.or_else(|| facts.firewall.unlisted.clone())
        .unwrap_or_else(|| Setting::built_in(Unlisted::default()))
}

/// Which limits the cgroup carries; what it cannot carry is refused or becomes a gap.
fn cgroup(policy: &Policy, facts: &Facts, gaps: &mut Vec<Gap>) -> Result<CgroupPlan, Failure> {
    let limits = &policy.limits;
    let mut gate = Gate { policy, facts, gaps };
    let memory = gate.pass(Control::Memory, facts.cgroup.memory, &limits.memory.origin)?;
    let cpus = gate.pass(Control::Cpus, facts.cgroup.cpu, &limits.cpus.origin)?;
    // Where the cgroup cannot count processes, RLIMIT_NPROC does: since Linux 5.14 it counts within
    // this user namespace only. The kernel exempts real root from it.
    let pids = facts.cgroup.pids
        || (!counts_processes(policy, facts)
            && gate.pass(Control::Pids, false, &limits.pids.origin)?);
    let io = match &limits.io {
        Some(io) => gate.pass(Control::Io, facts.cgroup.io, &io.origin)?,
        None => false,
    };
    Ok(CgroupPlan {
        memory: memory.then_some(limits.memory.value),
        cpus: cpus.then_some(limits.cpus.value),
        pids: (pids && facts.cgroup.pids).then_some(limits.pids.value),
        io: limits.io.as_ref().filter(|_| io).map(|io| (io.value, written(policy))),
    })
}

/// Can RLIMIT_NPROC count the jail's processes?
fn counts_processes(policy: &Policy, facts: &Facts) -> bool {
    match policy.sandbox.value {
        Backend::Namespace => facts.uid != 0,
        Backend::Container => facts.cgroup.own_users,
        _ => false,
    }
}

/// The host folder that the connector writes to, whose disk an io limit is for.
fn written(policy: &Policy) -> PathBuf {
    match &policy.filesystem.workspace.value {
        Workspace::Host { path } | Workspace::Copy { path, .. } => path.clone(),
        Workspace::Tmpfs { .. } => policy
            .filesystem
            .write
            .first()
            .or(policy.filesystem.read.first())
            .map_or_else(|| "/".into(), |rule| rule.value.path.clone()),
    }
}

struct Gate<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    gaps: &'a mut Vec<Gap>,
}

impl Gate<'_> {
    /// `Ok(true)`: enforce it. `Ok(false)`: a gap that is allowed. `Err`: the run is refused.
    fn pass(
        &mut self,
        control: Control,
        available: bool,
        origin: &Origin,
    ) -> Result<bool, Failure> {
        if available {
            return Ok(true);
        }
        let why = match control {
            _ if self.policy.sandbox.value == Backend::Container => &self.facts.cgroup.why,
            Control::Pids if self.facts.uid != 0 => {
                "without a user namespace RLIMIT_NPROC counts every process of yours, and there is no pids cgroup"
            }
            Control::Pids => {
                "the kernel exempts root from RLIMIT_NPROC, and there is no pids cgroup"
            }
            _ => &self.facts.cgroup.why,
        };
        let fix = &self.facts.cgroup.fix;
        let owner = self.policy.allow_missing.iter().find(|c| c.value == control);
        if let Some(owner) = owner {
            self.gaps.push(Gap::new(control, why, fix, &owner.origin));
            return Ok(false);
        }
        if !origin.is_explicit() {
            self.gaps.push(Gap::new(control, why, fix, "default"));
            return Ok(false);
        }
        Err(Failure::new(
            Kind::Refused,
            format!("the {control} limit ({origin}) cannot be enforced here"),
        )
        .at(Stage::Cgroup)
        .because(why)
        .hint(fix)
        .hint(format!("or accept to run without it: --allow-missing {control}")))
    }
}

fn rlimits(policy: &Policy, facts: &Facts, cgroup: &CgroupPlan) -> Vec<Rlimit> {
    let limit = |resource, name, value| Rlimit { resource, name, value };
    let mut limits = vec![
        limit(Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE", policy.limits.files.value.into()),
        limit(Resource::RLIMIT_CORE, "RLIMIT_CORE", 0),
        limit(Resource::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 8 << 20),
        limit(Resource::RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 0),
        limit(Resource::RLIMIT_NICE, "RLIMIT_NICE", 0),
        limit(Resource::RLIMIT_RTPRIO, "RLIMIT_RTPRIO", 0),
    ];
    if let Some(size) = &policy.limits.file_size {
        limits.push(limit(Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE", size.value.0));
    }
    if cgroup.pids.is_none() && counts_processes(policy, facts) {
        // One more for init, which is the same user in the same namespace.
        let value = u64::from(policy.limits.pids.value) + 1;
        limits.push(limit(Resource::RLIMIT_NPROC, "RLIMIT_NPROC", value));
    }
    limits
}

fn canary(mounts: &[super::MountStep], facts: &Facts) -> PathBuf {
    let shown = |path: &Path| {
        mounts.iter().any(|step| match step {
            super::MountStep::Bind(bind) => {
                path.starts_with(step.target()) || path.starts_with(&bind.host)
            }
            _ => false,
        })
    };
    CANARIES
        .iter()
        .map(PathBuf::from)
        .find(|path| facts.path(path).is_some() && !shown(path))
        .unwrap_or_else(|| "/etc/shadow".into())
}
