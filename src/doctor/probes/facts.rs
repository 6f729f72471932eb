//! What the machine says about itself, and which of it explains a refusal.

use super::super::host::Fix;
use crate::host::apparmor;
use crate::sys::probe::Fail;
use caps::{CapSet, Capability};
use nix::errno::Errno;
use std::fs;

/// Settings and circumstances that decide what an attempt may do. Read once.
pub(super) struct Facts {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Effective capabilities; `None` where they cannot be read.
    pub(super) caps: Option<caps::CapsHashSet>,
    pub(super) apparmor_userns: Option<String>,
    /// The AppArmor profile that confines us.
    pub(super) apparmor_profile: Option<String>,
    pub(super) userns_clone: Option<String>,
    pub(super) max_user: Option<String>,
    pub(super) max_net: Option<String>,
    pub(super) ptrace_scope: Option<String>,
    /// `Seccomp:` of /proc/self/status: 0 none, 2 a filter.
    pub(super) seccomp_mode: Option<u32>,
    pub(super) uid_map: Option<String>,
    /// Something is mounted over a part of /proc, as container engines do.
    pub(super) proc_masked: bool,
    pub(super) proc_sys_read_only: bool,
    /// Our root is no mount point: chroot(2).
    pub(super) chrooted: bool,
    /// The container engine, as far as it shows.
    pub(super) container: Option<&'static str>,
}

impl Facts {
    pub(super) fn read() -> Self {
        let file = |path: &str| fs::read_to_string(path).ok().map(|t| t.trim().to_owned());
        let status = file("/proc/self/status").unwrap_or_default();
        let mode = status.lines().find_map(|l| l.strip_prefix("Seccomp:"));
        let mounts = file("/proc/self/mountinfo");
        let points: Vec<(&str, &str)> =
            mounts.iter().flat_map(|text| text.lines()).filter_map(mount_point).collect();
        Self {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            caps: caps::read(None, CapSet::Effective).ok(),
            apparmor_userns: file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            apparmor_profile: apparmor::profile(),
            userns_clone: file("/proc/sys/kernel/unprivileged_userns_clone"),
            max_user: file("/proc/sys/user/max_user_namespaces"),
            max_net: file("/proc/sys/user/max_net_namespaces"),
            ptrace_scope: file("/proc/sys/kernel/yama/ptrace_scope"),
            seccomp_mode: mode.and_then(|m| m.trim().parse().ok()),
            uid_map: file("/proc/self/uid_map"),
            proc_masked: points
                .iter()
                .any(|(p, _)| p.starts_with("/proc/") && *p != "/proc/sys/fs/binfmt_misc"),
            proc_sys_read_only: points
                .iter()
                .any(|(p, options)| *p == "/proc/sys" && options.split(',').any(|o| o == "ro")),
            chrooted: mounts.is_some() && !points.iter().any(|(p, _)| *p == "/"),
            container: container(),
        }
    }

    pub(super) fn has(&self, cap: Capability) -> bool {
        self.caps.as_ref().is_some_and(|set| set.contains(&cap))
    }

    /// Why an attempt was refused, as far as the facts say, and what to do. The order is that of
    /// likelihood: a setting that forbids it outright comes before a circumstance.
    pub(super) fn explain(&self, fail: &Fail) -> (String, Vec<Fix>) {
        match fail.errno {
            Some(Errno::ENOSPC) => self.explain_full(),
            Some(Errno::ENOSYS) if self.seccomp_mode == Some(2) => {
                ("a seccomp filter hides this call".into(), self.container_fix())
            }
            Some(Errno::ENOSYS) => ("this kernel has no such call".into(), newer_kernel()),
            Some(Errno::EPERM | Errno::EACCES) => self.explain_forbidden(fail),
            Some(Errno::ENOENT) if fail.call.contains("/proc/") => (
                "no /proc is mounted here".into(),
                vec![fix("any", "mount -t proc proc /proc   # in this chroot or container")],
            ),
            Some(Errno::EINVAL) if fail.call == "clone3" => {
                ("this kernel was built without this namespace".into(), newer_kernel())
            }
            _ => (String::new(), Vec::new()),
        }
    }

    fn explain_full(&self) -> (String, Vec<Fix>) {
        for (value, name) in
            [(&self.max_user, "max_user_namespaces"), (&self.max_net, "max_net_namespaces")]
        {
            if let Some(now) = value.as_deref().filter(|v| v.parse().is_ok_and(|n: u64| n < 16)) {
                let command = format!(
                    "echo user.{name}=28633 | sudo tee -a /etc/sysctl.d/60-jail.conf && sudo sysctl \
                     --system"
                );
                return (format!("user.{name} = {now}"), vec![fix("any", command)]);
            }
        }
        let why = "user namespaces nested too deep, or a limit of an outer namespace".to_owned();
        (why, vec![fix("any", "run jail outside of this sandbox")])
    }

    fn explain_forbidden(&self, fail: &Fail) -> (String, Vec<Fix>) {
        let root = self.has(Capability::CAP_SYS_ADMIN);
        let of_proc = fail.call.starts_with("mount(proc");
        if of_proc && self.proc_masked {
            return ("parts of /proc are covered here".into(), unmask());
        }
        if self.apparmor_userns.as_deref() == Some("1") && !root {
            let command = "jail doctor host --apparmor | sudo tee /etc/apparmor.d/jail && sudo \
                           apparmor_parser -r /etc/apparmor.d/jail";
            let why = "kernel.apparmor_restrict_unprivileged_userns = 1";
            return (why.into(), vec![fix("any", command)]);
        }
        if self.userns_clone.as_deref() == Some("0") && !root {
            let command = "echo kernel.unprivileged_userns_clone=1 | sudo tee -a \
                           /etc/sysctl.d/60-jail.conf && sudo sysctl --system";
            return ("kernel.unprivileged_userns_clone = 0".into(), vec![fix("any", command)]);
        }
        if fail.call.contains("uid_map") && self.uid == 0 && !self.has(Capability::CAP_SETFCAP) {
            let why = "root without CAP_SETFCAP may not map uid 0".to_owned();
            let user = fix("any", "run jail as a user other than root");
            let docker = fix("docker", "docker run --cap-add SETFCAP …");
            return (why, vec![user, docker]);
        }
        if self.chrooted {
            let command = "enter the tree with `unshare --mount` and pivot_root (or a container) \
                           instead of chroot";
            return ("this is a chroot".into(), vec![fix("any", command)]);
        }
        if self.uid == 65534 && self.unmapped() {
            let command = "map the caller's uid in the outer user namespace";
            return ("this user has no id here".into(), vec![fix("any", command)]);
        }
        if self.seccomp_mode == Some(2) {
            return ("a seccomp filter is active".into(), self.container_fix());
        }
        if let Some(profile) = &self.apparmor_profile {
            let why = format!("AppArmor's profile \"{profile}\" confines this process");
            return match self.container {
                Some(_) => (why, self.container_fix()),
                None => (why, vec![fix("any", apparmor::fix(profile))]),
            };
        }
        if self.seccomp_mode.is_none() {
            let why = "no /proc is mounted here, so the reason does not show; often a chroot";
            let command = "mount -t proc proc /proc   # then run this again";
            return (why.into(), vec![fix("any", command)]);
        }
        (String::new(), Vec::new())
    }

    /// True where our uid is not in the map of our user namespace.
    fn unmapped(&self) -> bool {
        let inside = |line: &str| -> Option<bool> {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
            Some(self.uid >= first && self.uid - first < count)
        };
        self.uid_map.as_deref().is_some_and(|m| !m.lines().filter_map(inside).any(|yes| yes))
    }

    fn container_fix(&self) -> Vec<Fix> {
        let docker = fix(
            "docker",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined …   # or `sandbox: container` in the manifest",
        );
        let podman = fix(
            "podman",
            "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …",
        );
        let other = fix(
            "any",
            "let the outer sandbox's filter pass clone3, unshare and mount, or run jail outside it",
        );
        match self.container {
            Some("docker") => vec![docker],
            Some("podman") => vec![podman],
            _ => vec![other],
        }
    }
}

fn fix(on: &'static str, command: impl Into<String>) -> Fix {
    Fix { on, command: command.into() }
}

fn unmask() -> Vec<Fix> {
    vec![
        fix("docker", "docker run --security-opt systempaths=unconfined …"),
        fix("podman", "podman run --security-opt unmask=ALL …"),
        fix("kubernetes", "securityContext: {procMount: Unmasked} with hostUsers: false"),
    ]
}

fn newer_kernel() -> Vec<Fix> {
    vec![
        fix("debian", "sudo apt install linux-image-generic || sudo apt install linux-image-amd64"),
        fix("fedora", "sudo dnf upgrade kernel"),
        fix("arch", "sudo pacman -Syu linux"),
    ]
}

/// Mount point and options of a line of mountinfo, proc_pid_mountinfo(5).
fn mount_point(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(' ').skip(4);
    Some((fields.next()?, fields.next()?))
}

fn container() -> Option<&'static str> {
    let there = |path: &str| std::path::Path::new(path).exists();
    if there("/run/.containerenv") {
        return Some("podman");
    }
    if there("/.dockerenv") {
        return Some("docker");
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes");
    }
    // Set by systemd-nspawn and lxc for their first process, container-interface of systemd.
    std::env::var_os("container").map(|_| "a container")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            uid: 1000,
            gid: 1000,
            caps: Some(caps::CapsHashSet::new()),
            apparmor_userns: None,
            apparmor_profile: None,
            userns_clone: None,
            max_user: Some("63000".into()),
            max_net: Some("63000".into()),
            ptrace_scope: None,
            seccomp_mode: Some(0),
            uid_map: Some("0 0 4294967295".into()),
            proc_masked: false,
            proc_sys_read_only: false,
            chrooted: false,
            container: None,
        }
    }

    fn why(facts: &Facts, call: &str, errno: Errno) -> (String, String) {
        let (why, fixes) = facts.explain(&Fail::errno(call, errno));
        (why, fixes.into_iter().map(|f| f.command).collect())
    }

    #[test]
    fn the_setting_that_forbids_is_named_with_its_command() {
        let apparmor = Facts { apparmor_userns: Some("1".into()), ..facts() };
        let (reason, command) = why(&apparmor, "write(/proc/self/uid_map)", Errno::EACCES);
        assert_eq!(reason, "kernel.apparmor_restrict_unprivileged_userns = 1");
        assert!(command.contains("apparmor_parser -r"));
        let confined = Facts { apparmor_profile: Some("shell".into()), ..facts() };
        let (reason, command) = why(&confined, "write(/proc/self/uid_map)", Errno::EPERM);
        assert_eq!(reason, "AppArmor's profile \"shell\" confines this process");
        assert!(command.contains("`userns,`"));
        let debian = Facts { userns_clone: Some("0".into()), ..facts() };
        assert!(why(&debian, "clone3", Errno::EPERM).1.contains("unprivileged_userns_clone=1"));
        let none = Facts { max_user: Some("0".into()), ..facts() };
        assert_eq!(why(&none, "clone3", Errno::ENOSPC).0, "user.max_user_namespaces = 0");
        let net = Facts { max_net: Some("0".into()), ..facts() };
        assert!(why(&net, "clone3", Errno::ENOSPC).1.contains("user.max_net_namespaces=28633"));
    }

    #[test]
    fn circumstances() {
        let filtered = Facts { seccomp_mode: Some(2), container: Some("docker"), ..facts() };
        assert!(why(&filtered, "clone3", Errno::ENOSYS).1.contains("docker run"));
        assert_eq!(why(&facts(), "clone3", Errno::ENOSYS).0, "this kernel has no such call");
        let root = Facts { uid: 0, ..facts() };
        assert!(why(&root, "write(/proc/self/uid_map)", Errno::EPERM).0.contains("CAP_SETFCAP"));
        let nobody = Facts { uid: 65534, uid_map: Some("0 1000 1".into()), ..facts() };
        assert_eq!(why(&nobody, "clone3", Errno::EPERM).0, "this user has no id here");
        let masked = Facts { proc_masked: true, ..facts() };
        assert!(why(&masked, "mount(proc)", Errno::EPERM).1.contains("systempaths=unconfined"));
        let chroot = Facts { chrooted: true, ..facts() };
        assert_eq!(why(&chroot, "clone3", Errno::EPERM).0, "this is a chroot");
        assert_eq!(why(&facts(), "clone3", Errno::EPERM), (String::new(), String::new()));
    }
}
