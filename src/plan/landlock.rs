//! Landlock: the second wall, behind the mount namespace.
//!
//! It repeats, on the kernel objects themselves, what the mounts already say, so that a mistake in one
//! of the two is no way out. Rights come from the `landlock` crate by ABI; see
//! <https://docs.kernel.org/userspace-api/landlock.html>.

use super::{Bind, Kind, MountStep};
use crate::sys::fd::Identity;
use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope};
use std::path::PathBuf;

/// Whose a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Made for this run.
    Own,
    /// The host's, and it must still be what the plan was made for.
    Host(Identity),
    /// Below `/proc/self`, a link that the kernel makes for each process.
    Process,
}

/// One rule: these rights beneath this path, as the connector sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAccess {
    pub path: PathBuf,
    pub seen: Seen,
    pub access: u64,
    pub text: &'static str,
}

/// A whole ruleset, as bits for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandlockPlan {
    pub abi: u32,
    pub handled_fs: u64,
    pub handled_net: u64,
    pub scoped: u64,
    pub paths: Vec<PathAccess>,
    /// TCP ports that may be bound inside.
    pub bind_ports: Vec<u16>,
    /// What this kernel's ABI cannot enforce, and what holds it instead.
    pub beyond: Vec<String>,
}

impl LandlockPlan {
    /// What a folder may be that is written to, and not executed from.
    pub fn writable(&self) -> u64 {
        Rights::at(self.abi).write(false).bits()
    }

    /// Does it say which TCP ports may be connected to? (It names none.)
    pub fn handles_connect(&self) -> bool {
        self.handled_net & BitFlags::from(AccessNet::ConnectTcp).bits() != 0
    }
}

/// What the ruleset should say about TCP.
pub(super) struct Tcp<'a> {
    /// Leave TCP alone: the jail's processes talk to each other on its own loopback.
    pub(super) loopback: bool,
    /// Leave `connect` alone: which ports lead out is for the proxy to say, and may change while the
    /// connector runs; a ruleset cannot.
    pub(super) proxied: bool,
    pub(super) listen: &'a [u16],
}

/// The ruleset for these mounts at this ABI; `None` where the kernel has no Landlock.
pub(super) fn plan(kernel_abi: u32, mounts: &[MountStep], tcp: &Tcp<'_>) -> Option<LandlockPlan> {
    if kernel_abi == 0 {
        return None;
    }
    let mut plan = ruleset(kernel_abi, tcp, rules(mounts, &Rights::at(kernel_abi)));
    plan.beyond = beyond(kernel_abi);
    Some(plan)
}

/// The ruleset for a container, whose root is its image's; `None` where the kernel has no Landlock.
pub(super) fn contained(
    kernel_abi: u32,
    mounts: &[MountStep],
    tcp: &Tcp<'_>,
) -> Option<LandlockPlan> {
    if kernel_abi == 0 {
        return None;
    }
    let rights = Rights::at(kernel_abi);
    // Paths of the image may have links in them, and nobody can change one: its root is read-only.
    let rule = |path: PathBuf, access, text| rights.rule(path, Seen::Process, access, text);
    let mut rules = vec![
        rule("/".into(), AccessFs::from_read(rights.0), "read, execute"),
        rule("/dev".into(), rights.device() | rights.list(), "use"),
        rule("/dev/shm".into(), rights.write(false), "read, write"),
    ];
    for step in mounts {
        let (access, text) = match step {
            MountStep::Bind(bind) => rights.of_bind(bind),
            MountStep::Tmpfs { exec, .. } => (rights.write(*exec), "read, write"),
            _ => continue,
        };
        rules.push(rule(step.target(), access, text));
    }
    let mut plan = ruleset(kernel_abi, tcp, rules);
    plan.beyond = beyond(kernel_abi);
    Some(plan)
}

/// All that this ABI can restrict is restricted, but for these paths.
pub(super) fn ruleset(kernel_abi: u32, tcp: &Tcp<'_>, paths: Vec<PathAccess>) -> LandlockPlan {
    let abi = version(kernel_abi);
    let mut net = if tcp.loopback { BitFlags::EMPTY } else { AccessNet::from_all(abi) };
    if tcp.proxied {
        net &= !BitFlags::from(AccessNet::ConnectTcp);
    }
    LandlockPlan {
        abi: kernel_abi,
        handled_fs: AccessFs::from_all(abi).bits(),
        handled_net: net.bits(),
        scoped: Scope::from_all(abi).bits(),
        paths,
        bind_ports: if net.is_empty() { Vec::new() } else { tcp.listen.to_vec() },
        beyond: Vec::new(),
    }
}

fn version(kernel_abi: u32) -> ABI {
    ABI::from(i32::try_from(kernel_abi).unwrap_or(i32::MAX))
}

/// The rights of one ABI.
pub(super) struct Rights(ABI);

impl Rights {
    pub(super) fn at(kernel_abi: u32) -> Self {
        Self(version(kernel_abi))
    }

    pub(super) fn of_bind(&self, bind: &Bind) -> (BitFlags<AccessFs>, &'static str) {
        let mut access = if bind.write { self.write(true) } else { AccessFs::from_read(self.0) };
        if !bind.exec {
            access &= !BitFlags::from(AccessFs::Execute);
        }
        if bind.kind == Kind::File {
            access &= AccessFs::from_file(self.0);
        }
        (access, if bind.write { "read, write" } else { "read, execute" })
    }

    /// Everything but device nodes, and but execution where it is not wanted.
    pub(super) fn write(&self, exec: bool) -> BitFlags<AccessFs> {
        let all = AccessFs::from_all(self.0) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
        if exec { all } else { all & !BitFlags::from(AccessFs::Execute) }
    }

    /// Files and folders, without execution.
    pub(super) fn look_in(&self) -> BitFlags<AccessFs> {
        AccessFs::from_read(self.0) & !BitFlags::from(AccessFs::Execute)
    }

    pub(super) fn read_file(&self) -> BitFlags<AccessFs> {
        AccessFs::ReadFile.into()
    }

    pub(super) fn list(&self) -> BitFlags<AccessFs> {
        AccessFs::ReadDir.into()
    }

    pub(super) fn device(&self) -> BitFlags<AccessFs> {
        AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev
    }

    /// A rule, without the rights that this ABI does not know.
    pub(super) fn rule(
        &self,
        path: impl Into<PathBuf>,
        seen: Seen,
        access: BitFlags<AccessFs>,
        text: &'static str,
    ) -> PathAccess {
        let access = (access & AccessFs::from_all(self.0)).bits();
        PathAccess { path: path.into(), seen, access, text }
    }
}

/// One rule per thing that the mounts show, each no wider than its mount.
fn rules(mounts: &[MountStep], rights: &Rights) -> Vec<PathAccess> {
    let rule = |path: PathBuf, access, text| rights.rule(path, Seen::Own, access, text);
    let mut rules = vec![
        rule("/".into(), rights.list(), "list"),
        // Generated files and device nodes of the jail's own; what is mounted below has its own rule.
        rule("/etc".into(), rights.look_in(), "read"),
        rule("/dev".into(), rights.device() | rights.list(), "use"),
    ];
    for step in mounts {
        let (access, text) = match step {
            MountStep::Bind(bind) => rights.of_bind(bind),
            MountStep::Tmpfs { exec: true, .. } | MountStep::Overlay { .. } => {
                (rights.write(true), "read, write")
            }
            MountStep::Tmpfs { .. } => (rights.write(false), "read, write"),
            MountStep::Proc => (rights.look_in(), "read"),
            MountStep::SecretFile { .. } => (rights.read_file(), "read"),
            MountStep::File { .. }
            | MountStep::Device { .. }
            | MountStep::Devpts
            | MountStep::Dir { .. }
            | MountStep::Symlink { .. }
            | MountStep::Mask { .. }
            | MountStep::SealRoot => continue,
        };
        rules.push(rule(step.target(), access, text));
    }
    rules
}

/// What older ABIs lack, each with what holds instead.
fn beyond(abi: u32) -> Vec<String> {
    const SINCE: &[(u32, &str)] = &[
        (2, "renames between directories (held by the mounts)"),
        (3, "truncation (held by read-only mounts)"),
        (4, "TCP bind and connect (held by the network namespace)"),
        (5, "device ioctls (held by the minimal /dev and seccomp)"),
        (6, "abstract sockets and signals (held by the network and pid namespaces)"),
    ];
    SINCE
        .iter()
        .filter(|(since, _)| abi < *since)
        .map(|(since, what)| format!("{what}: needs Landlock ABI {since}"))
        .collect()
}
