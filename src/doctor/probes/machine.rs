//! What the machine is: facts that explain the rest.

use super::super::host::{Check, Status};
use super::facts::Facts;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    vec![kernel(), identity(facts), container(facts), knobs(facts), yama(facts)]
}

fn kernel() -> Check {
    let (id, title) = ("machine.kernel", "kernel");
    match nix::sys::utsname::uname() {
        Ok(name) => {
            let text = |s: &std::ffi::OsStr| s.to_string_lossy().into_owned();
            Check::ok(id, title, format!("{} {}", text(name.release()), text(name.machine())))
        }
        Err(e) => {
            let cost = "the other lines say what works";
            Check::not_ok(id, title, Status::Unknown, format!("uname: {e:?}"), cost)
        }
    }
}

fn identity(facts: &Facts) -> Check {
    let caps = match &facts.caps {
        None => "capabilities unreadable".to_owned(),
        Some(set) if set.is_empty() => "no capabilities".to_owned(),
        Some(set) => {
            let lacking: caps::CapsHashSet = caps::all().difference(set).copied().collect();
            match lacking.len() {
                0 => "every capability".to_owned(),
                few if few < set.len() => format!("every capability but {}", names(&lacking)),
                _ => format!("only {}", names(set)),
            }
        }
    };
    let who = if facts.uid == 0 { "root" } else { "an ordinary user" };
    Check::ok("machine.identity", "user", format!("{who} (uid {}), {caps}", facts.uid))
}

fn names(set: &caps::CapsHashSet) -> String {
    let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(" ")
}

fn container(facts: &Facts) -> Check {
    let mut signs: Vec<String> = Vec::new();
    let mut sign = |shown: bool, text: &str| {
        if shown {
            signs.push(text.to_owned());
        }
    };
    sign(facts.container.is_some(), facts.container.unwrap_or_default());
    sign(facts.seccomp_mode == Some(2), "a seccomp filter is active");
    let profile = facts.apparmor_profile.as_ref().map(|p| format!("AppArmor's profile \"{p}\""));
    sign(profile.is_some(), profile.as_deref().unwrap_or_default());
    sign(facts.proc_masked, "parts of /proc are covered");
    sign(facts.proc_sys_read_only, "/proc/sys is read-only");
    sign(facts.chrooted, "a chroot");
    sign(facts.uid_map.as_deref().is_some_and(|m| !whole(m)), "inside a user namespace");
    let evidence = if signs.is_empty() { "none seen".to_owned() } else { signs.join(", ") };
    Check::ok("machine.container", "outer sandbox", evidence)
}

/// The map of the first user namespace: every id to itself.
fn whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The settings that forbid user namespaces. Only a fact: the attempt below decides.
fn knobs(facts: &Facts) -> Check {
    let all = [
        ("kernel.apparmor_restrict_unprivileged_userns", &facts.apparmor_userns),
        ("kernel.unprivileged_userns_clone", &facts.userns_clone),
        ("user.max_user_namespaces", &facts.max_user),
        ("user.max_net_namespaces", &facts.max_net),
    ];
    let set: Vec<String> =
        all.iter().filter_map(|(k, v)| v.as_ref().map(|v| format!("{k}={v}"))).collect();
    let evidence = if set.is_empty() { "no /proc/sys here".to_owned() } else { set.join(" ") };
    Check::ok("machine.userns-settings", "namespace settings", evidence)
}

fn yama(facts: &Facts) -> Check {
    let (id, title) = ("machine.ptrace-scope", "ptrace scope");
    let (evidence, fix) = match facts.ptrace_scope.as_deref() {
        None => ("no kernel.yama.ptrace_scope", "add yama to lsm= on the kernel command line"),
        Some("0") => (
            "kernel.yama.ptrace_scope=0",
            "echo kernel.yama.ptrace_scope=1 | sudo tee -a /etc/sysctl.d/60-jail-ptrace.conf && sudo \
             sysctl --system",
        ),
        Some(value) => return Check::ok(id, title, format!("kernel.yama.ptrace_scope={value}")),
    };
    let cost = "other programs of this user may read the memory of jail's supervisor (a connector \
                cannot: it sees no process outside its jail)";
    Check::not_ok(id, title, Status::Degraded, evidence, cost).fix("any", fix)
}
