//! The jail's file system, step by step.

mod grants;
pub use grants::is_never_whole;
mod order;
mod protections;

pub(super) use protections::is_protection;

use super::{Bind, Facts, INSIDE_HOME, INSIDE_ID, INSIDE_USER, MountStep, NetworkPlan, Protection};
use crate::egress::config::PROXY_V4;
use crate::failure::{Failure, Kind as FailureKind};
use crate::plan::Stage;
use crate::policy::{Policy, SecretTarget, SystemTree};
use crate::resolve::{NeedKind, Resolved};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many inodes a tmpfs of this size may have. They are kernel memory as well: 4 KiB of content each is more than
/// any real tree has.
pub fn inodes(size: u64) -> u64 {
    (size >> 12).max(1024)
}

/// Device nodes that programs need; all are harmless without privileges.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Files and folders of /etc that programs read; none holds a secret.
pub const ETC: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/localtime",
];

/// Folders of / that are links into /usr nearly everywhere.
pub const ROOT_TREES: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"];

/// Builds the list; the order is the order of execution.
pub fn steps(
    policy: &Policy,
    facts: &Facts,
    resolved: &Resolved,
    network: &NetworkPlan,
) -> Result<(Vec<MountStep>, Vec<Protection>), Failure> {
    let mut tree = Tree { facts, network, steps: Vec::new(), dirs: BTreeSet::new() };
    tree.system(policy);
    tree.etc(policy);
    tree.pseudo();
    tree.scratch(policy);
    let protections = tree.workspace(policy)?;
    tree.needs(resolved)?;
    let mut granted = tree.grants(policy)?;
    granted.extend(protections);
    tree.secrets(policy);
    tree.protect(&granted);
    tree.hide_own();
    let mut steps = tree.ordered();
    steps.push(MountStep::SealRoot);
    Ok((steps, granted))
}

/// The same for a container, whose engine makes the root of the image: only what is this run's own.
pub fn contained(
    policy: &Policy,
    facts: &Facts,
    network: &NetworkPlan,
) -> Result<(Vec<MountStep>, Vec<Protection>), Failure> {
    let mut tree = Tree { facts, network, steps: Vec::new(), dirs: BTreeSet::new() };
    let size = policy.filesystem.scratch.value.0;
    tree.tmpfs("tmp", size, 0o1777, false);
    tree.tmpfs(&INSIDE_HOME[1..], size, 0o1777, true);
    let protections = tree.workspace(policy)?;
    let mut granted = tree.grants(policy)?;
    granted.extend(protections);
    tree.secrets(policy);
    tree.protect(&granted);
    tree.hide_own();
    // Shallow before deep: what lies over another comes after it.
    tree.steps.sort_by_key(|step| step.target().components().count());
    Ok((tree.steps, granted))
}

struct Tree<'a> {
    facts: &'a Facts,
    network: &'a NetworkPlan,
    steps: Vec<MountStep>,
    dirs: BTreeSet<PathBuf>,
}

impl Tree<'_> {
    fn system(&mut self, policy: &Policy) {
        if policy.filesystem.system.value == SystemTree::Usr {
            self.bind_fact("/usr", "the system's programs and libraries");
        }
        for (name, to) in self.facts.root_links.clone() {
            self.push(MountStep::Symlink { target: name.into(), to });
        }
        // Distributions that have not merged /usr keep these as folders of their own.
        if policy.filesystem.system.value == SystemTree::Usr {
            for path in ROOT_TREES {
                if !self.facts.root_links.iter().any(|(name, _)| path[1..] == **name) {
                    self.bind_fact(path, "the system's programs and libraries");
                }
            }
        }
    }

    fn etc(&mut self, policy: &Policy) {
        let passwd = format!(
            "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n{INSIDE_USER}:x:{INSIDE_ID}:{INSIDE_ID}:{INSIDE_USER}:{INSIDE_HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        let group = format!("root:x:0:\n{INSIDE_USER}:x:{INSIDE_ID}:\nnogroup:x:65534:\n");
        // With its own name, which many servers look up when they start.
        let name = hostname(policy);
        let hosts = format!("127.0.0.1 localhost {name}\n::1 localhost {name}\n");
        let resolver = match self.network {
            NetworkPlan::Loopback | NetworkPlan::Barred => {
                "# no resolver in this jail\noptions attempts:1 timeout:1\n".to_owned()
            }
            NetworkPlan::Proxied(_) => {
                format!("nameserver {PROXY_V4}\noptions attempts:2 timeout:5\n")
            }
        };
        for (name, text) in [
            ("passwd", passwd.as_str()),
            ("group", group.as_str()),
            ("hosts", &hosts),
            ("hostname", &format!("{}\n", hostname(policy))),
            ("resolv.conf", &resolver),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
            ("host.conf", "multi on\n"),
        ] {
            self.push(MountStep::File {
                target: Path::new("etc").join(name),
                contents: text.into(),
                mode: 0o444,
            });
        }
        for path in ETC {
            match self.facts.path(Path::new(path)) {
                // What lies in /usr is in the jail already; a link costs less than a mount.
                Some(fact)
                    if policy.filesystem.system.value == SystemTree::Usr
                        && fact.canonical.starts_with("/usr") =>
                {
                    let to = fact.canonical.clone();
                    self.push(MountStep::Symlink { target: relative(Path::new(path)), to });
                }
                _ => self.bind_fact(path, "public system configuration"),
            }
        }
    }

    fn pseudo(&mut self) {
        for name in DEVICES {
            self.push(MountStep::Device { name });
        }
        for (name, to) in [
            ("dev/fd", "/proc/self/fd"),
            ("dev/stdin", "/proc/self/fd/0"),
            ("dev/stdout", "/proc/self/fd/1"),
            ("dev/stderr", "/proc/self/fd/2"),
            ("dev/ptmx", "pts/ptmx"),
            // POSIX shared memory and semaphores: private, capped and without exec, as /tmp is.
            ("dev/shm", "/tmp"),
        ] {
            self.push(MountStep::Symlink { target: name.into(), to: to.into() });
        }
        self.push(MountStep::Devpts);
        self.push(MountStep::Proc);
        for (path, kind) in self.facts.proc_masks.clone() {
            self.push(MountStep::Mask { target: relative(&path), kind });
        }
    }

    fn scratch(&mut self, policy: &Policy) {
        let size = policy.filesystem.scratch.value.0;
        self.tmpfs("tmp", size, 0o1777, false);
        self.tmpfs(&INSIDE_HOME[1..], size, 0o700, true);
        self.push(MountStep::Dir { target: "var".into(), mode: 0o755 });
        self.push(MountStep::Symlink { target: "var/tmp".into(), to: "/tmp".into() });
        self.push(MountStep::Symlink { target: "var/run".into(), to: "/run".into() });
        self.push(MountStep::Dir { target: "run".into(), mode: 0o755 });
    }

    fn needs(&mut self, resolved: &Resolved) -> Result<(), Failure> {
        for need in &resolved.needs {
            match &need.kind {
                NeedKind::Symlink { target } => self
                    .push(MountStep::Symlink { target: relative(&need.path), to: target.clone() }),
                NeedKind::Tree | NeedKind::File => {
                    if self.facts.path(&need.path).is_none() {
                        let path = need.path.display();
                        return Err(refuse(format!("{path} is gone, but the command needs it")));
                    }
                    let why = need.why.clone();
                    self.bind_fact(&need.path, &why);
                }
            }
        }
        Ok(())
    }

    fn secrets(&mut self, policy: &Policy) {
        for (secret, setting) in policy.secrets.iter().enumerate() {
            if let SecretTarget::File(name) = &setting.value.target {
                let target = Path::new("run/secrets").join(name);
                self.push(MountStep::SecretFile { target, secret });
            }
        }
    }

    fn bind_fact(&mut self, path: impl AsRef<Path>, why: &str) {
        let path = path.as_ref();
        let Some(fact) = self.facts.path(path) else { return };
        self.push(MountStep::Bind(Bind {
            host: fact.canonical.clone(),
            target: relative(path),
            identity: fact.identity,
            kind: fact.kind,
            write: false,
            exec: true,
            why: why.to_owned(),
        }));
    }

    fn tmpfs(&mut self, target: &str, size: u64, mode: u32, exec: bool) {
        self.push(MountStep::Tmpfs { target: target.into(), size, mode, exec });
    }

    fn push(&mut self, step: MountStep) {
        self.steps.push(step);
    }
}

/// The host name inside: the connector's name, cut to what sethostname takes.
pub fn hostname(policy: &Policy) -> String {
    policy.name.as_str().chars().take(63).collect()
}

/// A writable bind that is only there so that its place cannot be moved.
pub fn is_pin(step: &MountStep) -> bool {
    matches!(step, MountStep::Bind(bind) if bind.why.starts_with("pinned"))
}

/// A path of the jail relative to its root.
pub fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

fn refuse(what: String) -> Failure {
    Failure::new(FailureKind::Refused, what).at(Stage::Resolve)
}
