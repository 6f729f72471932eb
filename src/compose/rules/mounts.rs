//! What of the host's files is inside.

use super::{Bench, rules};
use crate::compose::model::Mount;
use crate::compose::node::{Node, Spot};
use crate::policy::expect::shown;
use std::path::Path;

rules! {
    ENGINE_SOCKET = "compose.engine-socket", Error,
        "the socket of the container engine",
        "Who can write to it starts a privileged container with the host's disk in it: it is root of the host, and \
         `:ro` changes nothing, since a socket is not written to as a file is.";
    SENSITIVE_BIND = "compose.sensitive-bind", Error,
        "a folder of the host that is not a service's",
        "Configuration, keys or programs of the host, its users or its kernel can be read, and changed where the mount is \
         writable.";
    WRITABLE_BIND = "compose.writable-bind", Warning,
        "a folder of the host that it can write to",
        "What it leaves there is run or read by programs outside: a git hook, a build script, a link that leads elsewhere.";
    PROPAGATION = "compose.mount-propagation", Error,
        "mounts made inside appear on the host",
        "A file system that is mounted in the container covers files of the host.";
    VOLUMES_FROM = "compose.volumes-from", Warning,
        "the mounts of another container",
        "What it can read and write does not stand in this service, and changes with the other one.";
}

/// Sockets that start containers.
const SOCKETS: &[&str] = &[
    "docker.sock",
    "podman.sock",
    "containerd.sock",
    "crio.sock",
    "buildkitd.sock",
    "dockershim.sock",
];

/// Folders with all that is below them.
const TREES: &[&str] = &[
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/root",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/run",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/spool",
    "/var/log",
];

/// Folders that are too much as a whole; what is below them may be a service's.
const WHOLE: &[&str] =
    &["/", "/home", "/var", "/var/lib", "/opt", "/srv", "/mnt", "/media", "/tmp"];

/// Names of a home folder that hold keys or are run at login.
const PRIVATE: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config",
    ".local",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".bashrc",
    ".profile",
    ".zshrc",
    ".password-store",
    ".mozilla",
    ".cloned",
    ".vault-token",
    ".cargo",
    ".bash_history",
];

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    if let Some((true, spot)) = service.flag("use_api_socket") {
        bench.find(&ENGINE_SOCKET, spot, "use_api_socket: true", "take `use_api_socket` out");
    }
    for mount in &service.mounts {
        let source = mount.source.as_deref().unwrap_or_default();
        match mount.kind.as_str() {
            "bind" | "npipe" => bind(bench, mount, source),
            "volume" => disguised(bench, mount, source),
            _ => {}
        }
    }
    files(bench);
    for (from, spot) in service.texts("volumes_from") {
        let evidence = format!("volumes_from: {}", shown(from, 60));
        bench.find(
            &VOLUMES_FROM,
            spot,
            evidence,
            "name in `volumes` what is needed, `:ro` where it can be",
        );
    }
}

fn bind(bench: &mut Bench<'_>, mount: &Mount, source: &str) {
    let evidence = format!("{} at {}", shown(source, 80), shown(&mount.target, 80));
    if is_socket(source) {
        let fix = "take it out; give the service an API of its own that starts what it may start";
        bench.find(&ENGINE_SOCKET, &mount.spot, evidence, fix);
        return;
    }
    if let Some(why) = sensitive(source, bench.project.home.as_deref()) {
        let fix = format!("bind a folder of the service's own in place of {}", shown(source, 80));
        bench.find(&SENSITIVE_BIND, &mount.spot, format!("{evidence}: {why}"), fix);
    } else if !mount.read_only {
        let fix = "`:ro` (or `read_only: true`); a named volume where it must write";
        bench.find(&WRITABLE_BIND, &mount.spot, evidence.clone(), fix);
    }
    if mount.propagation.as_deref().is_some_and(|it| it.ends_with("shared")) {
        bench.find(&PROPAGATION, &mount.spot, evidence, "take `shared` or `rshared` out");
    }
}

/// A volume whose options bind a folder of the host.
fn disguised(bench: &mut Bench<'_>, mount: &Mount, source: &str) {
    let options = bench.project.volume(source).and_then(|it| it.get("driver_opts"));
    let Some(options) = options else { return };
    let text = |name: &str| options.get(name).and_then(Node::text).unwrap_or_default();
    let bound = text("o").split(',').any(|it| it == "bind" || it == "rbind");
    let device = text("device").to_owned();
    if bound || device.starts_with('/') {
        let folder = bench.project.folder.clone();
        let home = bench.project.home.clone();
        let full = crate::compose::paths::join(Some(&folder), &device, home.as_deref());
        let mount = Mount { kind: "bind".to_owned(), ..mount.clone() };
        bind(bench, &mount, &full.display().to_string());
    }
}

/// Secrets and configs are files of the host, too.
fn files(bench: &mut Bench<'_>) {
    let (service, project) = (bench.service, bench.project);
    for section in ["secrets", "configs"] {
        for item in service.find(&[section]).map(Node::items).unwrap_or_default() {
            let name = item.get("source").and_then(Node::text).unwrap_or_default();
            let shared = project.root.get(section).and_then(|all| all.get(name)?.get("file"));
            let Some((file, node)) = shared.and_then(|node| Some((node.text()?, node))) else {
                continue;
            };
            let spot: Spot = node.spot.clone();
            let evidence = format!("{section} `{}` is {}", shown(name, 40), shown(file, 80));
            if is_socket(file) {
                bench.find(&ENGINE_SOCKET, &spot, evidence, "take it out");
            } else if let Some(why) = sensitive(file, project.home.as_deref()) {
                let fix = "copy what is needed into a file of the service's own";
                bench.find(&SENSITIVE_BIND, &spot, format!("{evidence}: {why}"), fix);
            }
        }
    }
}

fn is_socket(source: &str) -> bool {
    let name = Path::new(source).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    SOCKETS.contains(&name) || source.contains("docker_engine")
}

/// What a path of the host is, where it is none that a service should have.
fn sensitive(source: &str, home: Option<&Path>) -> Option<&'static str> {
    let path = Path::new(source);
    if WHOLE.iter().any(|whole| path == Path::new(whole)) {
        return Some("a folder of the whole machine");
    }
    if TREES.iter().any(|tree| path.starts_with(tree)) {
        return Some("of the system");
    }
    let other_home = path.strip_prefix("/home").is_ok_and(|rest| rest.components().count() == 1);
    if home == Some(path) || other_home || source == "~" {
        return Some("a whole home folder");
    }
    let private = |part: std::path::Component<'_>| {
        part.as_os_str().to_str().is_some_and(|name| PRIVATE.contains(&name))
    };
    if path.components().any(private) {
        return Some("keys, settings or policy of a person");
    }
    let hooks = source.ends_with("/.git/hooks") || source.contains("/.git/hooks/");
    hooks.then_some("programs that git runs outside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sensitive() {
        let home = Some(Path::new("/users/me"));
        for path in [
            "/",
            "/etc",
            "/etc/passwd",
            "/proc",
            "/sys/fs/cgroup",
            "/run",
            "/home",
            "/home/you",
            "/users/me",
            "/users/me/.ssh",
            "/p/.ssh/id",
            "/var/lib/docker/volumes",
            "/p/.git/hooks",
            "/p/.cloned",
            "~",
            "/var",
            "/tmp",
        ] {
            assert!(sensitive(path, home).is_some(), "{path}");
        }
        for path in [
            "/p/data",
            "/home/you/data",
            "/users/me/models",
            "/srv/app",
            "/etcetera",
            "/var/lib/app",
        ] {
            assert!(sensitive(path, home).is_none(), "{path}");
        }
        assert!(
            is_socket("/var/run/docker.sock") && is_socket("/run/user/1000/podman/podman.sock")
        );
        assert!(!is_socket("/p/my.sock"));
    }
}
