//! What of the host is nobody's to have in a container, in a compose file as in one that runs. Pure.

use std::path::Path;

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

/// Whoever can talk to it starts containers.
pub fn is_socket(source: &str) -> bool {
    let name = Path::new(source).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    SOCKETS.contains(&name) || source.contains("docker_engine")
}

/// What a path of the host is, where it is none that a service should have.
pub fn sensitive(source: &str, home: Option<&Path>) -> Option<&'static str> {
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
            "/usr/share",
            "/lib/modules",
            "/bin",
            "/var/log",
            "/var/spool/cron",
            "/p/.config",
            "/p/.netrc",
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
