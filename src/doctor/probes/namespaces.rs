//! User namespaces, and each other namespace inside one.

use super::super::host::Check;
use super::{Attempt, Facts, Primitive, Probes};
use crate::sys::probe::{Fail, Outcome, Prober};
use nix::libc;
use std::fs;

const USER: u64 = libc::CLONE_NEWUSER as u64;
pub(super) const MOUNT: u64 = libc::CLONE_NEWNS as u64;
pub(super) const PID: u64 = libc::CLONE_NEWPID as u64;
pub(super) const NET: u64 = libc::CLONE_NEWNET as u64;

const USER_NS: Primitive = Primitive {
    id: "namespaces.user",
    title: "user namespace",
    cost: "jail cannot run any connector",
};

const ATTEMPTS: [Attempt; 7] = [
    Attempt {
        what: Primitive {
            id: "namespaces.pid",
            title: "pid namespace",
            cost: "a connector would see and signal the user's other processes",
        },
        flags: PID,
        body: see_pid_1,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.mount",
            title: "mount namespace",
            cost: "a connector would see the whole disk",
        },
        flags: MOUNT,
        body: make_private,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.net",
            title: "network namespace",
            cost: "a connector would have the host's network",
        },
        flags: NET,
        body: see_no_interface,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.ipc",
            title: "ipc namespace",
            cost: "a connector would share the host's System V and POSIX queues",
        },
        flags: libc::CLONE_NEWIPC as u64,
        body: made,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.uts",
            title: "uts namespace",
            cost: "a connector would see the host's name",
        },
        flags: libc::CLONE_NEWUTS as u64,
        body: set_name,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.cgroup",
            title: "cgroup namespace",
            cost: "a connector would see where in the host's cgroups it is",
        },
        flags: libc::CLONE_NEWCGROUP as u64,
        body: made,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "namespaces.time",
            title: "time namespace",
            cost: "a connector sees the host's uptime",
        },
        flags: libc::CLONE_NEWTIME as u64,
        body: made,
        needed: false,
    },
];

/// Runs `body` with all capabilities in a new user namespace (one id mapped) and these others.
fn in_user_ns(
    prober: Prober,
    facts: &Facts,
    flags: u64,
    body: impl FnOnce() -> Outcome,
) -> Outcome {
    let (uid, gid) = (facts.uid, facts.gid);
    prober.child(USER | flags, || {
        let write = |file: &str, text: String| {
            fs::write(file, text).map_err(Fail::io(format!("write({file})")))
        };
        // Without "deny" a group that is denied something could be dropped, user_namespaces(7).
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
        body()
    })
}

impl Probes {
    /// Runs `body` with all capabilities in a new user namespace and these others.
    pub(super) fn in_user_ns(&self, flags: u64, body: impl FnOnce() -> Outcome) -> Outcome {
        in_user_ns(self.prober, &self.facts, flags, body)
    }
}

/// A user namespace alone.
pub(super) fn try_user(prober: Prober, facts: &Facts) -> Outcome {
    in_user_ns(prober, facts, 0, see_ids)
}

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    let mut checks = vec![USER_NS.judge(probes.user_ns.clone(), &probes.facts).needed()];
    checks.extend(ATTEMPTS.iter().map(|attempt| attempt.inside(probes)));
    checks
}

fn made() -> Outcome {
    Ok("made".into())
}

fn see_ids() -> Outcome {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    Ok(format!("made by clone3, ids mapped (uid {uid}, gid {gid})"))
}

fn see_pid_1() -> Outcome {
    match nix::unistd::getpid().as_raw() {
        1 => Ok("made; the first process is 1".into()),
        other => Err(Fail::note("getpid", format!("{other}, not 1"))),
    }
}

fn see_no_interface() -> Outcome {
    let text =
        fs::read_to_string("/proc/self/net/dev").map_err(Fail::io("open(/proc/self/net/dev)"))?;
    // Two lines of heading; a fresh namespace has lo and perhaps the down stubs of tunnels.
    Ok(format!("made; {} interface(s) inside", text.lines().count().saturating_sub(2)))
}

fn set_name() -> Outcome {
    nix::unistd::sethostname("jail").map_err(|e| Fail::errno("sethostname", e))?;
    Ok("made; the host name can be set".into())
}

/// Stops mounts of this namespace from reaching the host's.
pub(super) fn make_private() -> Outcome {
    use nix::mount::{MsFlags, mount};
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(|e| Fail::errno("mount(/, MS_PRIVATE)", e))?;
    Ok("made; mounts are private".into())
}
