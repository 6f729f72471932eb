//! The walls: seccomp, security modules, namespaces, the root file system.

use super::{Bench, rules};
use crate::compose::fix::Edit;
use crate::compose::node::Spot;
use crate::compose::profiles::{self, Profile};
use crate::policy::expect::shown;

rules! {
    SECCOMP_OFF = "compose.seccomp-off", Error,
        "no seccomp profile",
        "Every system call of the kernel is open, also those in which most of its holes were found.";
    SECCOMP_DEFAULT = "compose.seccomp-default", Info,
        "the engine's own seccomp profile",
        "It is made for any program, and differs between engines. `jail seccomp show` prints narrower ones.";
    SECCOMP_FILE = "compose.seccomp-file", Warning,
        "a seccomp profile that cannot be read",
        "Nobody can say what it allows. docker compose does not start the service; whoever puts a file there decides.";
    MODULE_OFF = "compose.security-module-off", Error,
        "AppArmor or SELinux is off",
        "They stop writes to /proc and /sys, and mounts, where a capability or a hole would allow them.";
    UNMASKED = "compose.unmasked-paths", Error,
        "paths of the kernel are not masked",
        "/proc/kcore, /proc/sysrq-trigger and parts of /sys are open, which read and change the host.";
    READ_ONLY = "compose.writable-root", Warning,
        "its root file system can be written to",
        "Who breaks in can change its programs, and leave others there for the next start.";
    TMPFS_OPTIONS = "compose.tmpfs-options", Warning,
        "a tmpfs on which programs or devices count",
        "Docker adds noexec, nosuid and nodev where nothing is said, podman does not add noexec: what is written \
         there can be run.";
    TMPFS_SIZE = "compose.tmpfs-size", Warning,
        "a tmpfs without a size",
        "It takes memory until the limit of the container, and half of the host's where there is none.";
    HOST_NAMESPACE = "compose.host-namespace", Error,
        "a namespace of the host",
        "It sees and signals processes of the host, reads their shared memory, or has its users' numbers.";
    SHARED_NAMESPACE = "compose.shared-namespace", Warning,
        "a namespace of another container",
        "The two see each other's processes or shared memory.";
    CGROUP_PARENT = "compose.cgroup-parent", Warning,
        "a cgroup that is named here",
        "It is outside of what the engine accounts for; limits of that cgroup count, or none.";
    SYSCTL = "compose.sysctl", Warning,
        "kernel settings are changed",
        "They open ports below 1024, pings and forwarding, or weaken the network stack of the container.";
}

pub(super) fn judge(bench: &mut Bench<'_>) {
    security_options(bench);
    read_only(bench);
    tmpfs(bench);
    namespaces(bench);
    sysctls(bench);
}

fn security_options(bench: &mut Bench<'_>) {
    let service = bench.service;
    let mut seccomp = false;
    for (option, spot) in service.texts("security_opt") {
        let pair = option.split_once('=').or_else(|| option.split_once(':'));
        let (name, value) = pair.unwrap_or((option, ""));
        let evidence = format!("security_opt: {}", shown(option, 80));
        let out = format!("take `{}` out of `security_opt`", shown(option, 80));
        match (name, value) {
            ("seccomp", "unconfined") => {
                seccomp = true;
                bench.find(&SECCOMP_OFF, spot, evidence, out);
            }
            // The engine's own, as if nothing were said.
            ("seccomp", "builtin") => {}
            ("seccomp", _) => {
                seccomp = true;
                profile(bench, option, spot);
            }
            ("apparmor", "unconfined") | ("label", "disable") => {
                bench.find(&MODULE_OFF, spot, evidence, out);
            }
            ("systempaths" | "unmask", _) => {
                bench.find(&UNMASKED, spot, evidence, out);
            }
            ("label", value)
                if value.starts_with("type:") && value.contains("unconfined")
                    || value == "type:spc_t" =>
            {
                bench.find(&MODULE_OFF, spot, evidence, out);
            }
            _ => {}
        }
    }
    let privileged = service.flag("privileged").is_some_and(|(on, _)| on);
    if !seccomp && !privileged {
        let fix = "`seccomp=PATH` in `security_opt`, with a profile of `jail seccomp show`";
        let spot = service.place_of("security_opt");
        bench.find(&SECCOMP_DEFAULT, &spot, "no `seccomp=` in `security_opt`", fix);
    }
}

/// A profile that refuses nothing is none.
fn profile(bench: &mut Bench<'_>, option: &str, spot: &Spot) {
    let Some(path) = profiles::path_of(option) else { return };
    let fix = "a profile of `jail seccomp show`";
    let said = format!("security_opt: {}", shown(option, 80));
    match bench.project.profiles.get(&bench.project.path(path)) {
        Some(Profile::Refuses) => {}
        Some(Profile::Allows(action)) => {
            let evidence = format!("{said} has `defaultAction` {action}");
            bench.find(&SECCOMP_OFF, spot, evidence, fix);
        }
        Some(Profile::Unknown(why)) => {
            let evidence = format!("{said}: {}", shown(why, 120));
            bench.find(&SECCOMP_FILE, spot, evidence, fix);
        }
        None => {
            bench.find(&SECCOMP_FILE, spot, format!("{said} was not read"), fix);
        }
    }
}

fn read_only(bench: &mut Bench<'_>) {
    let service = bench.service;
    let (evidence, spot) = match service.flag("read_only") {
        Some((true, _)) => return,
        Some((false, spot)) => ("read_only: false", spot),
        None => ("`read_only` is not said", &service.at),
    };
    let fix = "`read_only: true`, with a tmpfs or a volume where it must write";
    bench.find(&READ_ONLY, spot, evidence, fix);
}

/// What keeps programs and devices of a tmpfs from counting.
const WANTED: &[(&str, &str)] = &[("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")];

fn tmpfs(bench: &mut Bench<'_>) {
    let service = bench.service;
    for (text, spot) in service.texts("tmpfs") {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        let mut own: Vec<&str> = options.split(',').filter(|it| !it.is_empty()).collect();
        let lacks: Vec<&str> = WANTED
            .iter()
            .filter(|(wanted, bad)| !own.contains(wanted) || own.contains(bad))
            .map(|(wanted, _)| *wanted)
            .collect();
        let sized =
            own.iter().any(|it| it.starts_with("size=") && !matches!(*it, "size=0" | "size="));
        let explicit = own.iter().any(|it| WANTED.iter().any(|(_, bad)| it == bad));
        own.retain(|it| !WANTED.iter().any(|(_, bad)| it == bad));
        let kept = own.clone();
        own.extend(WANTED.iter().map(|(wanted, _)| *wanted).filter(|it| !kept.contains(it)));
        let path = shown(path, 60);
        if !lacks.is_empty() {
            let whole = format!("{path}:{}", own.join(","));
            let evidence = format!("tmpfs {path} is without {}", lacks.join(", "));
            let edit = Edit::replace(spot, text, &whole);
            let found = bench.find(&TMPFS_OPTIONS, spot, evidence, format!("write `{whole}`"));
            // Who wrote `exec` runs something from there.
            if !explicit {
                found.mend(edit);
            }
        }
        if !sized {
            let evidence = format!("tmpfs {path} is without size");
            let whole = format!("{path}:{},size=64m", own.join(","));
            bench.find(&TMPFS_SIZE, spot, evidence, format!("write `{whole}`"));
        }
    }
    for mount in service.mounts.iter().filter(|mount| mount.kind == "tmpfs") {
        if mount.size.is_none_or(|size| size <= 0) {
            let evidence = format!("tmpfs {} is without size", shown(&mount.target, 60));
            bench.find(&TMPFS_SIZE, &mount.spot, evidence, "`tmpfs: {size: 64m}` in the mount");
        }
    }
}

fn namespaces(bench: &mut Bench<'_>) {
    let service = bench.service;
    for name in ["pid", "ipc", "uts", "userns_mode", "cgroup"] {
        let Some((value, spot)) = service.text(name) else { continue };
        let evidence = format!("{name}: {}", shown(value, 60));
        let fix = format!("take `{name}` out");
        if value == "host" {
            bench.find(&HOST_NAMESPACE, spot, evidence, fix);
        } else if value == "shareable"
            || value.starts_with("container:")
            || value.starts_with("service:")
        {
            bench.find(&SHARED_NAMESPACE, spot, evidence, fix);
        }
    }
    if let Some((parent, spot)) = service.text("cgroup_parent") {
        let evidence = format!("cgroup_parent: {}", shown(parent, 60));
        bench.find(&CGROUP_PARENT, spot, evidence, "take `cgroup_parent` out");
    }
}

fn sysctls(bench: &mut Bench<'_>) {
    let service = bench.service;
    let found: Vec<(String, Spot)> = service
        .find(&["sysctls"])
        .map(|node| node.entries().iter().map(|it| (it.key.clone(), it.at.clone())).collect())
        .unwrap_or_default();
    for (name, spot) in found {
        let evidence = format!("sysctls: {}", shown(&name, 60));
        bench.find(&SYSCTL, &spot, evidence, "take it out, or allow it with the reason");
    }
}
