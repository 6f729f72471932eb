//! Landlock: the second wall, behind the mount namespace.
//!
//! It repeats, on the kernel objects themselves, what the mounts already say, so that a mistake in one
//! of the two is no way out. Rights come from the `landlock` crate by ABI; see
//! <https://docs.kernel.org/userspace-api/landlock.html>.

use super::{Kind, MountStep};
use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope};
use std::path::PathBuf;

/// One rule: these rights beneath this path of the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAccess {
    pub path: PathBuf,
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
    let abi = ABI::from(i32::try_from(kernel_abi).unwrap_or(i32::MAX));
    let fs = AccessFs::from_all(abi);
    let mut net = if tcp.loopback { BitFlags::EMPTY } else { AccessNet::from_all(abi) };
    if tcp.proxied {
        net &= !BitFlags::from(AccessNet::ConnectTcp);
    }
    Some(LandlockPlan {
        abi: kernel_abi,
        handled_fs: fs.bits(),
        handled_net: net.bits(),
        scoped: Scope::from_all(abi).bits(),
        paths: rules(mounts, abi, fs),
        bind_ports: if net.is_empty() { Vec::new() } else { tcp.listen.to_vec() },
        beyond: beyond(kernel_abi),
    })
}

/// One rule per thing that the mounts show, each no wider than its mount.
fn rules(mounts: &[MountStep], abi: ABI, handled: BitFlags<AccessFs>) -> Vec<PathAccess> {
    let read = AccessFs::from_read(abi);
    let no_exec = !BitFlags::from(AccessFs::Execute);
    let write = AccessFs::from_all(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let file = AccessFs::from_file(abi);
    let look: BitFlags<AccessFs> = AccessFs::ReadDir.into();
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut rules = vec![
        rule("/", look & handled, "list"),
        // Generated files and device nodes of the jail's own; what is mounted below has its own rule.
        rule("/etc", read & no_exec & handled, "read"),
        rule("/dev", (device | look) & handled, "use"),
    ];
    for step in mounts {
        let path = step.target();
        let (access, text) = match step {
            MountStep::Bind(bind) => {
                let mut access = if bind.write { write } else { read };
                if !bind.exec {
                    access &= no_exec;
                }
                if bind.kind == Kind::File {
                    access &= file;
                }
                (access, if bind.write { "read, write" } else { "read, execute" })
            }
            MountStep::Tmpfs { exec: true, .. } | MountStep::Overlay { .. } => {
                (write, "read, write")
            }
            MountStep::Tmpfs { .. } => (write & no_exec, "read, write"),
            MountStep::Proc => (read & no_exec, "read"),
            MountStep::SecretFile { .. } => (read & no_exec & file, "read"),
            MountStep::File { .. }
            | MountStep::Device { .. }
            | MountStep::Devpts
            | MountStep::Dir { .. }
            | MountStep::Symlink { .. }
            | MountStep::Mask { .. }
            | MountStep::SealRoot => continue,
        };
        rules.push(rule(path, access & handled, text));
    }
    rules
}

fn rule(path: impl Into<PathBuf>, access: BitFlags<AccessFs>, text: &'static str) -> PathAccess {
    PathAccess { path: path.into(), access: access.bits(), text }
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
