//! The jail's file system, step by step.

use super::{
    Bind, Facts, INSIDE_HOME, INSIDE_ID, INSIDE_USER, INSIDE_WORKSPACE, Kind, MountStep, PROTECTED,
    Protection, protect,
};
use crate::failure::{Failure, Kind as FailureKind};
use crate::plan::Stage;
use crate::policy::{Policy, SecretTarget, SystemTree, Workspace};
use crate::resolve::{NeedKind, Resolved};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Device nodes that programs need; all are harmless without privileges.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Files and folders of /etc that programs read; none holds a secret.
pub const ETC: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/localtime",
    "/etc/mime.types",
];

/// Folders of / that are links into /usr nearly everywhere.
pub const ROOT_TREES: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"];

/// Trees that are never granted whole: they hold sockets that cross every namespace, or everybody's files.
const NEVER_WHOLE: &[&str] =
    &["/", "/run", "/var/run", "/tmp", "/dev", "/proc", "/sys", "/home", "/var"];

const SHM_SIZE: u64 = 16 << 20;

/// Builds the list; the order is the order of execution.
pub fn steps(
    policy: &Policy,
    facts: &Facts,
    resolved: &Resolved,
) -> Result<(Vec<MountStep>, Vec<Protection>), Failure> {
    let mut tree = Tree { facts, steps: Vec::new(), dirs: BTreeSet::new() };
    tree.system(policy);
    tree.etc(policy);
    tree.pseudo(policy);
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

struct Tree<'a> {
    facts: &'a Facts,
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
        let hosts = "127.0.0.1 localhost\n::1 localhost\n";
        for (name, text) in [
            ("passwd", passwd.as_str()),
            ("group", group.as_str()),
            ("hosts", hosts),
            ("hostname", &format!("{}\n", hostname(policy))),
            ("resolv.conf", "# no resolver in this jail\noptions attempts:1 timeout:1\n"),
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
            self.bind_fact(path, "public system configuration");
        }
    }

    fn pseudo(&mut self, policy: &Policy) {
        for name in DEVICES {
            self.push(MountStep::Device { name });
        }
        for (name, to) in [
            ("dev/fd", "/proc/self/fd"),
            ("dev/stdin", "/proc/self/fd/0"),
            ("dev/stdout", "/proc/self/fd/1"),
            ("dev/stderr", "/proc/self/fd/2"),
            ("dev/ptmx", "pts/ptmx"),
        ] {
            self.push(MountStep::Symlink { target: name.into(), to: to.into() });
        }
        self.push(MountStep::Devpts);
        self.tmpfs("dev/shm", SHM_SIZE.min(policy.filesystem.scratch.value.0), 0o1777, false);
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

    fn workspace(&mut self, policy: &Policy) -> Result<Vec<Protection>, Failure> {
        let target = relative(Path::new(INSIDE_WORKSPACE));
        match &policy.filesystem.workspace.value {
            Workspace::Tmpfs { size } => {
                self.push(MountStep::Tmpfs { target, size: size.0, mode: 0o755, exec: true });
                Ok(Vec::new())
            }
            Workspace::Copy { path, size } => {
                let fact = self.granted(policy, path, &policy.filesystem.workspace.origin, true)?;
                if fact.kind != Kind::Dir {
                    return Err(refuse(format!("the workspace {} is no folder", path.display())));
                }
                self.push(MountStep::Overlay {
                    host: fact.canonical,
                    target,
                    size: size.0,
                    identity: fact.identity,
                });
                Ok(Vec::new())
            }
            Workspace::Host { path } => {
                let fact = self.granted(policy, path, &policy.filesystem.workspace.origin, true)?;
                if fact.kind != Kind::Dir {
                    return Err(refuse(format!("the workspace {} is no folder", path.display())));
                }
                self.push(MountStep::Bind(Bind {
                    host: fact.canonical.clone(),
                    target,
                    identity: fact.identity,
                    kind: fact.kind,
                    write: true,
                    exec: true,
                    why: "the workspace".into(),
                }));
                Ok(protections(&fact.canonical, self.facts, policy))
            }
        }
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

    fn grants(&mut self, policy: &Policy) -> Result<Vec<Protection>, Failure> {
        let mut protected = Vec::new();
        for (rules, write) in [(&policy.filesystem.read, false), (&policy.filesystem.write, true)] {
            for rule in rules {
                let path = &rule.value.path;
                let fact = self.granted(policy, path, &rule.origin, write)?;
                let why = format!("granted by {}", rule.origin);
                self.push(MountStep::Bind(Bind {
                    host: fact.canonical.clone(),
                    target: relative(path),
                    identity: fact.identity,
                    kind: fact.kind,
                    write,
                    exec: true,
                    why,
                }));
                if write && fact.kind == Kind::Dir {
                    protected.extend(protections(&fact.canonical, self.facts, policy));
                }
            }
        }
        Ok(protected)
    }

    /// The fact behind a granted path, or why it is refused.
    fn granted(
        &self,
        policy: &Policy,
        path: &Path,
        origin: &crate::policy::Origin,
        write: bool,
    ) -> Result<super::PathFact, Failure> {
        let shown = path.display();
        let Some(fact) = self.facts.path(path) else {
            return Err(refuse(format!("{shown} does not exist (granted by {origin})"))
                .hint("create it, or take it out of the policy"));
        };
        let canonical = &fact.canonical;
        if NEVER_WHOLE.iter().any(|wide| canonical == Path::new(wide)) {
            return Err(refuse(format!("{shown} is never granted whole (asked by {origin})"))
                .because(
                    "sockets in it reach out of every namespace, or it holds everybody's files",
                )
                .hint(format!("grant the folder below {shown} that the connector needs")));
        }
        if ["/proc", "/sys", "/dev"].iter().any(|tree| canonical.starts_with(tree)) {
            return Err(refuse(format!("{shown} belongs to the kernel and is never granted"))
                .because(format!("asked by {origin}")));
        }
        let home = self.facts.user_home.as_deref();
        if home.is_some_and(|home| canonical == home || home.starts_with(canonical)) {
            return Err(refuse(format!("the home folder {shown} is never granted whole"))
                .because(format!("asked by {origin}"))
                .hint("grant the folder below it that the connector needs"));
        }
        if write && ["/usr", "/etc", "/boot", "/opt"].iter().any(|t| canonical.starts_with(t)) {
            return Err(refuse(format!("{shown} is the system's own and never writable"))
                .because(format!("asked by {origin}")));
        }
        if let Some(folder) = self.link_below_writable(policy, path, canonical) {
            return Err(refuse(format!(
                "{shown} goes through a symbolic link (asked by {origin})"
            ))
            .because(format!(
                "the connector may write {}, and could have made that link in an earlier run",
                folder.display()
            ))
            .hint(format!("grant {} itself if that is what you mean", canonical.display())));
        }
        Ok(fact.clone())
    }

    /// The writable folder in which a link leads away from where `path` says it is.
    fn link_below_writable(
        &self,
        policy: &Policy,
        path: &Path,
        canonical: &Path,
    ) -> Option<PathBuf> {
        policy.filesystem.writable_folders().find_map(|folder| {
            let real = &self.facts.path(folder)?.canonical;
            let rest = path.strip_prefix(folder).or_else(|_| path.strip_prefix(real)).ok()?;
            (real.join(rest) != *canonical && !rest.as_os_str().is_empty()).then(|| real.clone())
        })
    }

    fn secrets(&mut self, policy: &Policy) {
        for (secret, setting) in policy.secrets.iter().enumerate() {
            if let SecretTarget::File(name) = &setting.value.target {
                let target = Path::new("run/secrets").join(name);
                self.push(MountStep::SecretFile { target, secret });
            }
        }
    }

    /// Read-only binds over what exists and would act later.
    fn protect(&mut self, protections: &[Protection]) {
        let views = self.writable_views();
        for protection in protections.iter().filter(|p| p.existed) {
            let path = protection.path();
            let is_folder = self.facts.path(&path).is_some_and(|fact| fact.kind == Kind::Dir);
            let pin = protection.name == protect::GIT && is_folder;
            let why = if pin {
                "pinned, so that it cannot be moved away from its protections"
            } else {
                "protected: acts later, outside"
            };
            for (host, target) in &views {
                // The same folder may be seen a second time, from a grant further up.
                if let Ok(below) = path.strip_prefix(host) {
                    self.over(&path, &target.join(below), pin, why);
                }
            }
        }
    }

    /// Jail's own folders are not even read: who can read the log can lock it, and learns of other runs.
    fn hide_own(&mut self) {
        let own: Vec<PathBuf> = self
            .facts
            .paths
            .iter()
            .filter(|(path, fact)| path.ends_with(protect::OWN) && fact.kind == Kind::Dir)
            .map(|(_, fact)| fact.canonical.clone())
            .collect();
        let views: Vec<(PathBuf, PathBuf)> = self
            .steps
            .iter()
            .filter(|step| !is_protection(step))
            .filter_map(|step| match step {
                MountStep::Bind(b) if b.kind == Kind::Dir => {
                    Some((b.host.clone(), b.target.clone()))
                }
                MountStep::Overlay { host, target, .. } => Some((host.clone(), target.clone())),
                _ => None,
            })
            .collect();
        for (host, target) in &views {
            let below: BTreeSet<PathBuf> =
                own.iter().filter_map(|own| Some(own.strip_prefix(host).ok()?.into())).collect();
            for below in below.into_iter().filter(|below| !below.as_os_str().is_empty()) {
                self.push(MountStep::Mask { target: target.join(below), kind: Kind::Dir });
            }
        }
    }

    fn writable_views(&self) -> Vec<(PathBuf, PathBuf)> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                MountStep::Bind(b) if b.write && b.kind == Kind::Dir => {
                    Some((b.host.clone(), b.target.clone()))
                }
                _ => None,
            })
            .collect()
    }

    fn over(&mut self, host: &Path, target: &Path, write: bool, why: &str) {
        let Some(fact) = self.facts.path(host) else { return };
        self.steps.push(MountStep::Bind(Bind {
            host: fact.canonical.clone(),
            target: target.to_path_buf(),
            identity: fact.identity,
            kind: fact.kind,
            write,
            exec: true,
            why: why.into(),
        }));
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

    /// Parents before children, one step per target, directories made where something is put.
    ///
    /// A later step for the same target replaces an earlier one (a grant may widen a need).
    fn ordered(mut self) -> Vec<MountStep> {
        let mut steps: Vec<MountStep> = Vec::with_capacity(self.steps.len() * 2);
        for step in std::mem::take(&mut self.steps) {
            steps.retain(|earlier| earlier.target() != step.target() || is_protection(&step));
            steps.push(step);
        }
        drop_covered(&mut steps);
        steps.sort_by_key(|step| (step.target().components().count(), is_protection(step)));
        let mut ordered = Vec::with_capacity(steps.len() * 2);
        for step in steps {
            let target = step.target();
            for parent in ancestors(&target) {
                if !self.covered(&parent, &ordered) && self.dirs.insert(parent.clone()) {
                    ordered.push(MountStep::Dir { target: relative(&parent), mode: 0o755 });
                }
            }
            self.dirs.insert(target);
            ordered.push(step);
        }
        ordered
    }

    /// True where a mount already shows host content at or above this path.
    fn covered(&self, path: &Path, steps: &[MountStep]) -> bool {
        steps.iter().any(|step| match step {
            MountStep::Bind(_) | MountStep::Overlay { .. } | MountStep::Proc => {
                path.starts_with(step.target())
            }
            _ => false,
        })
    }
}

/// A read-only bind or link below a read-only bind of the same host tree shows nothing new.
fn drop_covered(steps: &mut Vec<MountStep>) {
    let trees: Vec<(PathBuf, PathBuf)> = steps
        .iter()
        .filter_map(|step| match step {
            MountStep::Bind(b) if !b.write && b.kind == Kind::Dir => {
                Some((step.target(), b.host.clone()))
            }
            _ => None,
        })
        .collect();
    steps.retain(|step| {
        let target = step.target();
        let below = |tree: &(PathBuf, PathBuf)| target != tree.0 && target.starts_with(&tree.0);
        match step {
            MountStep::Bind(b) if !b.write && !is_protection(step) => !trees.iter().any(|tree| {
                below(tree)
                    && target.strip_prefix(&tree.0).is_ok_and(|rest| tree.1.join(rest) == b.host)
            }),
            MountStep::Symlink { .. } => !trees.iter().any(below),
            _ => true,
        }
    });
}

fn is_protection(step: &MountStep) -> bool {
    matches!(step, MountStep::Bind(b) if b.why.starts_with("protected") || b.why.starts_with("pinned"))
}

fn protections(folder: &Path, facts: &Facts, policy: &Policy) -> Vec<Protection> {
    PROTECTED
        .iter()
        .filter(|(name, _)| !policy.filesystem.unprotect.iter().any(|s| s.value == *name))
        .map(|(name, _)| Protection {
            folder: folder.to_path_buf(),
            name,
            existed: facts.path(&folder.join(name)).is_some(),
        })
        .collect()
}

/// The host name inside: the connector's name, cut to what sethostname takes.
pub fn hostname(policy: &Policy) -> String {
    policy.name.as_str().chars().take(63).collect()
}

fn ancestors(path: &Path) -> Vec<PathBuf> {
    let mut above: Vec<PathBuf> =
        path.ancestors().skip(1).map(Path::to_path_buf).filter(|p| p != Path::new("/")).collect();
    above.reverse();
    above
}

/// A path of the jail relative to its root.
pub fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

fn refuse(what: String) -> Failure {
    Failure::new(FailureKind::Refused, what).at(Stage::Resolve)
}
