//! What each backend enforces, knob by knob: the table of `docs/backends.md`.
//!
//! [`row`] takes the knobs of a policy apart without `..`: one that is added has to say here what becomes of it.

use crate::policy::Policy;

/// One thing that a policy says, and how each backend keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// As in the manifest.
    pub name: &'static str,
    pub namespace: &'static str,
    pub landlock: &'static str,
    pub container: &'static str,
    /// The check of `container::verify` that holds it against the kernel before the connector starts.
    pub verified_by: Option<&'static str>,
}

const fn knob(
    name: &'static str,
    [namespace, landlock, container]: [&'static str; 3],
    verified_by: Option<&'static str>,
) -> Knob {
    Knob { name, namespace, landlock, container, verified_by }
}

const SAME: &str = "the same";
const REFUSED: &str = "refused";

/// In the order of the manifest, and then what no policy can switch off.
pub const ALL: &[Knob] = &[
    knob("command", ["the host's, resolved, with what it needs", SAME, "the image's"], None),
    knob("env", ["made from nothing", SAME, "made from nothing; the image's does not count"], None),
    knob(
        "secrets to a variable",
        [
            "in the connector's memory alone",
            SAME,
            "through the door: in no command line, file or `inspect`",
        ],
        None,
    ),
    knob(
        "secrets to a file",
        ["a private tmpfs", REFUSED, "a private tmpfs, filled from inside"],
        None,
    ),
    knob("secrets to egress", ["the egress process alone", "(no way out)", SAME], None),
    knob("filesystem.read", ["read-only bind", "Landlock rule", "read-only bind"], Some("mounts")),
    knob(
        "filesystem.write",
        ["bind", "Landlock rule", "bind; refused where the user inside cannot write to it"],
        Some("writable-places"),
    ),
    knob(
        "protected names (.git/hooks …)",
        [
            "read-only, new ones are put aside",
            "refused where one is below a granted folder",
            "read-only, new ones are put aside",
        ],
        Some("mounts"),
    ),
    knob(
        "jail's own folder (.cloned)",
        ["hidden", "refused where it is below a granted folder", "hidden"],
        Some("mounts"),
    ),
    knob(
        "filesystem.workspace: tmpfs, host",
        [
            "tmpfs of that size; bind",
            "folder on disk without a size; rule",
            "tmpfs of that size; bind",
        ],
        Some("mounts"),
    ),
    knob("filesystem.workspace: copy", ["overlay in memory", REFUSED, REFUSED], None),
    knob(
        "filesystem.system",
        ["usr or minimal", SAME, "the image's root, read-only"],
        Some("read-only-root"),
    ),
    knob(
        "filesystem.scratch",
        [
            "/tmp and HOME of that size; /tmp without exec",
            "on disk, without a size",
            "/tmp, HOME and /dev/shm of that size; /tmp without exec",
        ],
        Some("mounts"),
    ),
    knob(
        "network.mode: none",
        ["own namespace, loopback alone", "no socket at all", "own namespace, loopback alone"],
        Some("no-route"),
    ),
    knob(
        "network.mode: proxy",
        [
            "HTTP, SOCKS5, DNS and any address, to the egress process",
            REFUSED,
            "HTTP and SOCKS5 on 127.0.0.1, to the egress process; other addresses are unreachable, no DNS",
        ],
        Some("no-route"),
    ),
    knob("network.allow, deny, inject", ["the egress process decides", "(no way out)", SAME], None),
    knob(
        "network.connections, bandwidth, unlisted, hold",
        ["the egress process", "(no way out)", SAME],
        None,
    ),
    knob("network.loopback", ["Landlock", REFUSED, SAME], None),
    knob(
        "ports.publish",
        ["granted by the registry, served by the egress process", REFUSED, SAME],
        None,
    ),
    knob(
        "limits.memory",
        ["cgroup v2, no swap", SAME, "--memory, --memory-swap, read back from the cgroup (v1, v2)"],
        Some("memory"),
    ),
    knob("limits.cpus", ["cgroup v2", SAME, "--cpus, read back"], Some("cpus")),
    knob(
        "limits.pids",
        [
            "cgroup v2, or RLIMIT_NPROC",
            "cgroup v2",
            "--pids-limit, read back; RLIMIT_NPROC where rootless podman cannot",
        ],
        Some("pids"),
    ),
    knob("limits.io", ["cgroup v2", SAME, "a gap, or refused where it is asked for"], None),
    knob("limits.files, file_size", ["rlimits, read back", SAME, SAME], None),
    knob("limits.timeout, eof_grace", ["the supervisor", SAME, SAME], None),
    knob("limits.nice", ["setpriority", SAME, SAME], None),
    knob(
        "seccomp",
        [
            "the profile's program; refusals are recorded",
            "joined with this tier's",
            "the profile, by the engine and again by the entry; refusals are not recorded",
        ],
        Some("seccomp"),
    ),
    knob(
        "user",
        [
            "1000 inside, yours outside",
            "yours",
            "yours where the engine can map it, else 65532; never root",
        ],
        Some("user"),
    ),
    knob(
        "capabilities",
        ["none, bounding set empty", SAME, "none, bounding set empty (--cap-drop=ALL)"],
        Some("capabilities"),
    ),
    knob(
        "no_new_privs",
        ["set and read back", SAME, "set and read back"],
        Some("no-new-privileges"),
    ),
    knob(
        "Landlock",
        [
            "as a second wall",
            "the wall",
            "as a second wall, from inside; a gap where the kernel has none",
        ],
        None,
    ),
    knob(
        "namespaces",
        [
            "user, pid, mount, net, ipc, uts, cgroup, time",
            "none",
            "pid, mount, net, ipc, uts; user where the engine is rootless",
        ],
        Some("namespaces"),
    ),
    knob(
        "/proc, /sys, cgroups",
        [
            "a /proc of its own, masked, its settings read-only; no /sys",
            "the host's, as far as its rules let",
            "of its own, masked by the engine; settings, /sys and cgroups read-only",
        ],
        Some("masked-paths"),
    ),
    knob(
        "sockets in granted folders",
        ["reachable before Landlock's ABI 9", SAME, "reachable"],
        None,
    ),
    knob(
        "settings of the kernel (sysctl)",
        [
            "no user namespaces inside, a share of inotify's watches",
            "none",
            "none; seccomp refuses user namespaces",
        ],
        None,
    ),
    knob(
        "proof from inside",
        ["every wall is tried", "what can be shown", "writing, a route and root are tried"],
        Some("proof"),
    ),
    knob(
        "stdin, stdout",
        ["inherited, never touched", SAME, "handed in, never touched; the engine sees no byte"],
        None,
    ),
    knob(
        "death of the supervisor",
        ["ends all", SAME, "ends all; the next run sweeps what an engine kept"],
        None,
    ),
    knob("--tty, --trace", ["yes", "--tty", REFUSED], None),
];

/// The knobs that a field of a policy has. It is never called: it is there to be compiled.
#[expect(dead_code, reason = "a field that is added does not compile until it is named here")]
fn row(policy: &Policy) {
    let Policy {
        name: _,
        tool: _,
        package: _,
        command: _,
        env: _,
        secrets: _,
        filesystem,
        network,
        ports: _,
        limits,
        seccomp: _,
        rpc: _,
        sandbox: _,
        container: _,
        allow_missing: _,
        eof_grace: _,
    } = policy;
    let crate::policy::Filesystem {
        read: _,
        write: _,
        workspace: _,
        system: _,
        scratch: _,
        unprotect: _,
    } = filesystem;
    let crate::policy::Network {
        mode: _,
        unlisted: _,
        hold: _,
        rules: _,
        connections: _,
        bandwidth: _,
        loopback: _,
    } = network;
    let crate::policy::Limits {
        memory: _,
        cpus: _,
        pids: _,
        io: _,
        files: _,
        file_size: _,
        timeout: _,
        nice: _,
    } = limits;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_for_a_knob() {
        const CHECKS: [&str; 16] = [
            "user",
            "capabilities",
            "no-new-privileges",
            "seccomp",
            "namespaces",
            "read-only-root",
            "mounts",
            "nothing-else-writable",
            "masked-paths",
            "writable-places",
            "no-route",
            "proof",
            "memory",
            "swap",
            "cpus",
            "pids",
        ];
        for knob in ALL {
            assert!(knob.verified_by.is_none_or(|check| CHECKS.contains(&check)), "{}", knob.name);
        }
        // One is for what nobody asked for, one is a part of the limit of memory.
        for check in CHECKS.iter().filter(|it| !["nothing-else-writable", "swap"].contains(it)) {
            assert!(ALL.iter().any(|knob| knob.verified_by == Some(check)), "{check}");
        }
    }
}
