//! Who the processes of a service are, and what they may do.

use super::{Bench, rules};
use crate::compose::fields::flag;
use crate::compose::fix::Edit;
use crate::compose::node::{Node, Spot};
use crate::policy::expect::shown;

rules! {
    PRIVILEGED = "compose.privileged", Error,
        "a privileged container",
        "Every capability, every device, no seccomp profile: a process that is root in it is root of the host.";
    ROOT_USER = "compose.root-user", Error,
        "it runs as root",
        "Root of a container is root of the host where no user namespace is made; one hole in the kernel or one bind \
         too many is enough.";
    USER_UNSET = "compose.user-unset", Warning,
        "the image says who it runs as",
        "Most images run as root, and the next version of this one may.";
    ROOT_GROUP = "compose.root-group", Warning,
        "it is in a group that opens more than its own files",
        "Files of group root, the engine's socket, disks and kernel logs are open to groups.";
    NEW_PRIVILEGES = "compose.new-privileges", Warning,
        "programs inside may gain privileges",
        "A setuid program of the image makes root of an ordinary user. `no-new-privileges` ends that.";
    CAP_DROP = "compose.cap-drop", Warning,
        "capabilities are left that it was not given",
        "The engine's default has fourteen, among them NET_RAW, SETUID and DAC_OVERRIDE.";
    DANGEROUS_CAP = "compose.dangerous-capability", Error,
        "a capability that leads out of the container",
        "With it a process can load code into the kernel, look into other processes, change mounts or networks of the \
         host, or read any file.";
    ADDED_CAP = "compose.added-capability", Info,
        "a capability is given",
        "Each one is a part of what root may do; somebody should know why it is needed.";
}

/// Capabilities with which a container is none.
const DANGEROUS: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "BPF",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_RAW",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
];

/// Groups whose files are those of the machine.
const GROUPS: &[&str] =
    &["0", "root", "docker", "podman", "disk", "kmem", "shadow", "sudo", "wheel", "adm"];

pub(super) fn judge(bench: &mut Bench<'_>) {
    privileged(bench);
    user(bench);
    groups(bench);
    new_privileges(bench);
    capabilities(bench);
}

fn privileged(bench: &mut Bench<'_>) {
    let service = bench.service;
    if let Some((true, spot)) = service.flag("privileged") {
        let fix = "`privileged: false`; name the one device or capability that is needed";
        bench.find(&PRIVILEGED, spot, "privileged: true", fix);
    }
    for hook in ["post_start", "pre_stop"] {
        for item in service.find(&[hook]).map(Node::items).unwrap_or_default() {
            let text = |name: &str| item.get(name).and_then(Node::text);
            if text("privileged").and_then(flag) == Some(true) {
                let evidence = format!("{hook}: privileged: true");
                bench.find(&PRIVILEGED, &item.spot, evidence, "take `privileged` out of the hook");
            }
            if text("user").is_some_and(is_root) {
                let evidence = format!("{hook}: user: root");
                bench.find(&ROOT_USER, &item.spot, evidence, "take `user` out of the hook");
            } else if text("user").and_then(|it| it.split_once(':')).is_some_and(|it| is_root(it.1))
            {
                let evidence = format!("{hook}: the group of `user` is root");
                bench.find(&ROOT_GROUP, &item.spot, evidence, "take the group out of the hook");
            }
        }
    }
}

/// Engines read numbers as Atoi does: `+0` and `-0` are root, too.
fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or(user).trim();
    name == "root" || name.parse::<i64>() == Ok(0)
}

fn user(bench: &mut Bench<'_>) {
    let service = bench.service;
    let fix = "`user: \"65532:65532\"`, or another number that nobody on the host has";
    let Some((user, spot)) = service.text("user").filter(|(user, _)| !user.is_empty()) else {
        let spot = service.find(&["user"]).map_or(&service.at, |node| &node.spot);
        bench.find(&USER_UNSET, spot, "`user` is not said", fix);
        return;
    };
    let evidence = format!("user: {}", shown(user, 60));
    if is_root(user) {
        bench.find(&ROOT_USER, spot, evidence, fix);
    } else if user.split_once(':').is_some_and(|(_, group)| is_root(group)) {
        bench.find(&ROOT_GROUP, spot, evidence, fix);
    } else if user.starts_with(':') {
        bench.find(&USER_UNSET, spot, evidence, fix);
    }
}

fn groups(bench: &mut Bench<'_>) {
    let service = bench.service;
    for (group, spot) in service.texts("group_add") {
        if GROUPS.contains(&group) || is_root(group) {
            let group = shown(group, 40);
            let evidence = format!("group_add: {group}");
            bench.find(&ROOT_GROUP, spot, evidence, format!("take `{group}` out of `group_add`"));
        }
    }
}

fn new_privileges(bench: &mut Bench<'_>) {
    let service = bench.service;
    let mut said: Option<(bool, Spot, &str)> = None;
    for (option, spot) in service.texts("security_opt") {
        let (name, value) = option.split_once([':', '=']).unwrap_or((option, "true"));
        if name == "no-new-privileges" {
            said = Some((value == "true", spot.clone(), option));
        }
    }
    let fix = "`no-new-privileges:true` in `security_opt`";
    match said {
        Some((true, _, _)) => {}
        Some((false, spot, old)) => {
            let edit = Edit::replace(&spot, old, "no-new-privileges:true");
            bench.find(&NEW_PRIVILEGES, &spot, "no-new-privileges is off", fix).mend(edit);
        }
        None => {
            let edit = Edit::item(service, "security_opt", "no-new-privileges:true");
            let spot = service.place_of("security_opt");
            bench.find(&NEW_PRIVILEGES, &spot, "no-new-privileges is not set", fix).mend(edit);
        }
    }
}

/// `CAP_SYS_ADMIN` and `sys_admin` are SYS_ADMIN.
fn capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
}

fn capabilities(bench: &mut Bench<'_>) {
    let service = bench.service;
    if !service.texts("cap_drop").any(|(name, _)| capability(name) == "ALL") {
        let evidence = match service.texts("cap_drop").count() {
            0 => "`cap_drop` is not said",
            _ => "`cap_drop` does not have ALL",
        };
        let fix = "`cap_drop: [ALL]`, and `cap_add` for what it then lacks";
        bench.find(&CAP_DROP, &service.place_of("cap_drop"), evidence, fix);
    }
    for (name, spot) in service.texts("cap_add") {
        let evidence = format!("cap_add: {}", shown(name, 40));
        let known = capability(name);
        if DANGEROUS.contains(&known.as_str()) {
            let fix = format!("take {} out of `cap_add`", shown(&known, 40));
            bench.find(&DANGEROUS_CAP, spot, evidence, fix);
        } else {
            let fix = "take it out, or allow it with the reason";
            bench.find(&ADDED_CAP, spot, evidence, fix);
        }
    }
}
