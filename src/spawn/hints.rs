//! From a stage and an error number to what a person can do about it.

use super::wire::Fault;
use crate::failure::{Failure, Kind};
use crate::host::apparmor;
use crate::plan::{MountStep, Plan, Stage, explain};
use crate::resolve;
use crate::sys::{Call, SysError};
use nix::errno::Errno;
use std::path::Path;

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const USERNS_CLONE: &str = "/proc/sys/kernel/unprivileged_userns_clone";

/// A fault of the set-up, as a refusal.
pub fn refusal(plan: &Plan, fault: Fault) -> Failure {
    if fault.stage == Stage::Exec {
        return exec(plan, fault.error);
    }
    let step = explain::step(plan, fault.stage, fault.step).unwrap_or_else(|| "set up".to_owned());
    let what = if fault.is_after_the_start() {
        format!(
            "the confined connector had begun, and was ended: its init cannot be confined: {step}"
        )
    } else {
        format!("cannot confine the connector: {step}")
    };
    let failure = Failure::new(Kind::Refused, what).at(fault.stage).because(fault.error);
    if fault.stage == Stage::Proof && fault.error.call == Call::Verify {
        return failure
            .because("it worked, and it must not: a control is not in force on this machine")
            .hint("please report this with the output of `jail doctor host --json`");
    }
    if fault.error.call == Call::Probe {
        return failure
            .because("the probe could not be tried, and a proof that was not tried shows nothing")
            .hint("give the connector more of what is missing (open files: --files), or end other programs");
    }
    add(failure, fault.stage, fault.error)
}

/// Adds the hints that fit.
pub fn add(failure: Failure, stage: Stage, error: SysError) -> Failure {
    let refused = [Errno::EPERM, Errno::EACCES, Errno::ENOSPC, Errno::EUSERS, Errno::ENOSYS];
    let failure = hints(failure, stage, error);
    if stage == Stage::Namespaces && refused.contains(&error.errno()) {
        return failure.hint(WEAKER);
    }
    failure
}

/// Never chosen for anybody: who reads this decides.
const WEAKER: &str = "where that cannot be changed: --sandbox=landlock, a weaker tier without namespaces: \
                      other processes and names of files are seen, there is no network at all and no \
                      /tmp (docs/choosing.md)";

fn hints(failure: Failure, stage: Stage, error: SysError) -> Failure {
    let errno = error.errno();
    match (stage, errno) {
        (Stage::Network, _) => network(failure, error),
        (Stage::Namespaces | Stage::IdMap | Stage::Process, Errno::EPERM | Errno::EACCES)
        | (Stage::Mounts, Errno::EPERM | Errno::EACCES)
            if error.call != Call::Openat2 =>
        {
            refused_namespaces(failure, stage)
        }
        // A mount counts as a namespace until it is attached.
        (Stage::Namespaces | Stage::Mounts, Errno::ENOSPC) => failure
            .hint("the limit of namespaces is reached: see /proc/sys/user/max_user_namespaces, max_net_namespaces and their like")
            .hint("sudo sysctl user.max_user_namespaces=15000 user.max_net_namespaces=15000"),
        (Stage::Namespaces, Errno::ENOSYS) => failure
            .hint("clone3 is missing: the kernel is older than 5.3, or a container's seccomp profile hides it"),
        (Stage::Namespaces, Errno::EAGAIN) => {
            failure.hint("the user has too many processes (ulimit -u), or the machine is out of pids")
        }
        (Stage::Process, Errno::EDQUOT) => failure
            .because("each jail has a session keyring of its own, and the user's quota of keys is used up (/proc/key-users)")
            .hint("sudo sysctl kernel.keys.maxkeys=2000")
            .hint("or end other jails"),
        (Stage::Lifeline, Errno::ENOENT) => failure
            .hint("the list of a process's children is missing: no /proc, or a kernel without CONFIG_PROC_CHILDREN"),
        (Stage::Payload, Errno::EAGAIN) => failure
            .hint("the limit of processes is too small for the jail itself, which needs one beside the connector's; --pids raises it"),
        (Stage::Pivot, Errno::EINVAL) => failure
            .hint("the kernel's first file system (an initramfs) cannot be left by pivot_root; switch_root to another one first"),
        (Stage::Mounts, Errno::ESTALE) => {
            failure.hint("the path changed between planning and mounting; run again")
        }
        (Stage::Mounts, Errno::ELOOP) => failure
            .hint("a symbolic link appeared on the path between planning and mounting; run again"),
        (Stage::Mounts, Errno::ENODEV) => {
            failure.hint("this kernel lacks that file system; `jail doctor host` lists what is missing")
        }
        (Stage::Mounts, Errno::ENOSYS) => {
            failure.hint("the mount API of Linux 5.12 is needed; `jail doctor host` tells more")
        }
        _ => failure.hint("`jail doctor host` shows which primitives this machine has"),
    }
}

/// Two namespaces and what joins them; the first act in a namespace is where security modules refuse it.
fn network(failure: Failure, error: SysError) -> Failure {
    let missing = [Errno::EOPNOTSUPP, Errno::EAFNOSUPPORT, Errno::EPROTONOSUPPORT];
    match error.errno() {
        Errno::EPERM | Errno::EACCES => refused_namespaces(failure, Stage::Network),
        errno if missing.contains(&errno) && error.call == Call::Netlink => failure
            .because("this kernel has no pairs of interfaces (veth), or the module is not loaded")
            .hint("sudo modprobe veth && echo veth | sudo tee /etc/modules-load.d/jail.conf")
            .hint("or run without a way out: --network none"),
        errno if missing.contains(&errno) => failure
            .because("this kernel lacks that kind of socket")
            .hint("`jail doctor host` shows which; or run without a way out: --network none"),
        Errno::ENOSPC | Errno::EUSERS => failure
            .because("a jail with a way out takes two network namespaces, and the limit is reached")
            .hint("sudo sysctl user.max_net_namespaces=15000")
            .hint("where it is large enough, wait a second: those of ended jails count until the kernel has freed them"),
        Errno::ENOMEM | Errno::ENOBUFS => {
            failure.hint("the machine is out of memory for another network; end other jails")
        }
        _ => failure.hint("`jail doctor host` shows which primitives this machine has"),
    }
}

fn refused_namespaces(failure: Failure, stage: Stage) -> Failure {
    let on = |path: &str, value: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
    };
    if on(APPARMOR, "1") {
        return failure
            .because("AppArmor restricts user namespaces on this machine (Ubuntu 23.10 and later)")
            .hint("jail doctor host --apparmor | sudo tee /etc/apparmor.d/jail && sudo apparmor_parser -r /etc/apparmor.d/jail");
    }
    if on(USERNS_CLONE, "0") {
        return failure.hint("sudo sysctl kernel.unprivileged_userns_clone=1");
    }
    if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        return failure
            .because("this is a container, and its seccomp profile or masked /proc forbids nested namespaces")
            .hint("run the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined, or run jail on the host");
    }
    if let Some(profile) = apparmor::profile() {
        return failure
            .because(format!("this process runs under AppArmor's profile \"{profile}\""))
            .hint(apparmor::fix(&profile));
    }
    if stage == Stage::IdMap && nix::unistd::geteuid().is_root() {
        return failure.hint(
            "root without CAP_SETFCAP cannot map itself: run as an ordinary user, or add SETFCAP",
        );
    }
    failure.hint("user namespaces are refused here; `jail doctor host` finds out by what")
}

/// exec failed inside: 127 where something is missing, 126 else, as shells say it.
fn exec(plan: &Plan, error: SysError) -> Failure {
    let kind = match error.errno() {
        Errno::ENOENT | Errno::ENOTDIR => Kind::NotFound,
        _ => Kind::CannotStart,
    };
    let program = &plan.exec.program;
    if plan.policy.sandbox.value == crate::policy::Backend::Container {
        let what = format!("cannot start {} in the container", program.display());
        return Failure::new(kind, what).at(Stage::Exec).because(error).hint(
            "is it a program for this machine, and does the image have its interpreter or loader?",
        );
    }
    let mut failure = Failure::new(kind, format!("cannot start {} in the jail", program.display()))
        .at(Stage::Exec)
        .because(error);
    for line in resolve::explain_exec_failure(program, error.errno, &|path| shows(plan, path)) {
        failure = failure.hint(line);
    }
    failure
}

/// Does the jail of this plan have the path?
fn shows(plan: &Plan, path: &Path) -> bool {
    plan.mounts.iter().any(|step| match step {
        MountStep::Bind(bind) => {
            path.starts_with(step.target()) && {
                let rest = path.strip_prefix(step.target()).unwrap_or(Path::new(""));
                std::fs::symlink_metadata(bind.host.join(rest)).is_ok()
            }
        }
        MountStep::Symlink { to, .. } => path
            .strip_prefix(step.target())
            .is_ok_and(|rest| shows(plan, &Path::new("/").join(to).join(rest))),
        MountStep::Overlay { .. } => path.starts_with(step.target()),
        _ => path == step.target(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(call: Call, errno: Errno) -> String {
        let failure = Failure::new(Kind::Refused, "x");
        add(failure, Stage::Network, SysError::new(call, errno)).hints.join("\n")
    }

    #[test]
    fn a_network_that_cannot_be_made_says_what_to_do() {
        for (call, errno, expected) in [
            (Call::Netlink, Errno::EOPNOTSUPP, "sudo modprobe veth"),
            (Call::Socket, Errno::EAFNOSUPPORT, "--network none"),
            (Call::Unshare, Errno::ENOSPC, "sudo sysctl user.max_net_namespaces="),
            (Call::Bind, Errno::EADDRINUSE, "jail doctor host"),
        ] {
            let hints = hints(call, errno);
            assert!(hints.contains(expected), "{call:?} {errno}: {hints}");
        }
        assert!(!hints(Call::Socket, Errno::EAFNOSUPPORT).contains("veth"));
        let failure = Failure::new(Kind::Refused, "x");
        let quota = add(failure, Stage::Process, SysError::new(Call::JoinKeyring, Errno::EDQUOT));
        assert!(quota.hints[0].contains("kernel.keys.maxkeys"), "{:?}", quota.hints);
    }
}
