//! `/proc/PID/cgroup` → systemd unit and container. Pure; both versions of cgroups.

use serde::Serialize;

/// What a path of cgroups says of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongs {
    /// The innermost service or scope.
    pub unit: Option<String>,
    pub container: Option<Container>,
}

/// A container by what runs it and the full number that this gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Container {
    pub engine: &'static str,
    pub id: String,
    /// What people call it; `None` where only the engine's own files say that, and are not for us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The process is in no container but serves this one: it publishes its ports.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publishes: bool,
}

/// `docker-ID.scope` and the like.
const SCOPES: [(&str, &str); 6] = [
    ("docker-", "docker"),
    ("libpod-conmon-", "podman"),
    ("libpod-", "podman"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
];

/// All that the file says. Lines are `ID:CONTROLLERS:PATH`; that of version 2 has id 0 and comes last.
pub fn belongs(file: &str) -> Belongs {
    let mut found = Belongs::default();
    for line in file.lines().rev() {
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        found.container = found.container.take().or_else(|| container(path));
        found.unit = found.unit.take().or_else(|| unit(path));
    }
    found
}

fn unit(path: &str) -> Option<String> {
    let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope");
    path.rsplit('/').find(is_unit).map(str::to_owned)
}

fn container(path: &str) -> Option<Container> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // The innermost: containers can hold others.
    (0..parts.len()).rev().find_map(|at| {
        let part = parts.get(at).copied()?;
        let before = at.checked_sub(1).and_then(|at| parts.get(at)).copied().unwrap_or_default();
        scope(part).or_else(|| plain(part, before, &parts))
    })
}

fn scope(part: &str) -> Option<Container> {
    // containerd without systemd: `kubepods-…:cri-containerd:ID`
    if let Some((_, id)) = part.split_once(":cri-containerd:") {
        return is_id(id).then(|| made("containerd", id));
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    SCOPES.iter().find_map(|(prefix, engine)| {
        let id = name.strip_prefix(prefix).filter(|id| is_id(id))?;
        // conmon stands beside its container, and rootlessport below conmon.
        let publishes = *prefix == "libpod-conmon-";
        Some(Container { publishes, ..made(engine, id) })
    })
}

/// `/docker/ID`, `/kubepods/…/ID`, `/lxc/NAME`.
fn plain(part: &str, before: &str, all: &[&str]) -> Option<Container> {
    match before {
        "docker" | "buildkit" if is_id(part) => Some(made("docker", part)),
        "libpod_parent" if is_id(part) => Some(made("podman", part)),
        // Whoever may make cgroups chooses their names.
        "lxc" | "lxc.payload" if !part.is_empty() => Some(named("lxc", part)),
        _ if part.starts_with("lxc.payload.") => {
            let name = part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty());
            name.map(|name| named("lxc", name))
        }
        _ if is_id(part) && all.iter().any(|part| part.starts_with("kubepods")) => {
            Some(made("containerd", part))
        }
        _ => None,
    }
}

fn made(engine: &'static str, id: &str) -> Container {
    Container { engine, id: id.to_owned(), name: None, publishes: false }
}

fn named(engine: &'static str, name: &str) -> Container {
    Container { name: Some(name.to_owned()), ..made(engine, name) }
}

/// Engines number containers with 64 hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_of_every_engine() {
        for (path, engine) in [
            ("0::/system.slice/docker-ID.scope", "docker"),
            ("0::/system.slice/docker-ID.scope/init.scope", "docker"),
            ("12:pids:/docker/ID\n1:name=systemd:/docker/ID\n0::/", "docker"),
            ("0::/machine.slice/libpod-ID.scope/container", "podman"),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
                "podman",
            ),
            ("0::/libpod_parent/libpod-ID", "podman"),
            ("0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-ID.scope", "containerd"),
            ("0::/system.slice/kubepods-pod1.slice:cri-containerd:ID", "containerd"),
            ("4:cpu:/kubepods/besteffort/pod12/ID\n", "containerd"),
            ("0::/kubepods.slice/crio-ID.scope", "cri-o"),
        ] {
            let container = belongs(&path.replace("ID", ID)).container.expect(path);
            assert_eq!((container.engine, &*container.id), (engine, ID), "{path}");
            assert!(!container.publishes, "{path}");
        }
        let conmon = belongs(&format!("0::/user.slice/libpod-conmon-{ID}.scope\n"));
        assert!(conmon.container.unwrap().publishes);
        let lxc = belongs("0::/lxc.payload.web/system.slice/nginx.service").container.unwrap();
        assert_eq!((lxc.engine, lxc.name.as_deref()), ("lxc", Some("web")));
    }

    #[test]
    fn what_only_looks_like_one() {
        for path in [
            "0::/",
            "0::/user.slice/docker-abc.scope",
            "0::/system.slice/docker.service",
            "0::/lxc.payload./x",
            &format!("0::/home/{ID}"),
            "",
            ":::",
        ] {
            assert_eq!(belongs(path).container, None, "{path}");
        }
    }

    #[test]
    fn the_innermost_unit() {
        let unit = |text: &str| belongs(text).unit;
        assert_eq!(unit("0::/system.slice/ssh.service").as_deref(), Some("ssh.service"));
        assert_eq!(
            unit("0::/user.slice/user-1.slice/user@1.service/app.slice/a.service/x").as_deref(),
            Some("a.service")
        );
        assert_eq!(
            unit("3:cpu:/\n1:name=systemd:/system.slice/cron.service\n0::/").as_deref(),
            Some("cron.service")
        );
        assert_eq!(unit("0::/user.slice"), None);
    }
}
