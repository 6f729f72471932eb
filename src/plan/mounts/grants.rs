//! What the owner grants: folders and files of the host, and the workspace. Too wide is refused.

use super::protections::protections;
use super::{Tree, refuse, relative};
use crate::failure::Failure;
use crate::plan::{Bind, INSIDE_WORKSPACE, Kind, MountStep, PathFact, Protection};
use crate::policy::{Origin, Policy, Workspace};
use std::path::{Path, PathBuf};

/// Trees that are never granted whole: they hold sockets that cross every namespace, or everybody's files.
const NEVER_WHOLE: &[&str] = &["/", "/run", "/var/run", "/tmp", "/home", "/var", "/etc"];

/// Would a grant of this folder be refused for being too much?
pub fn is_never_whole(path: &Path, home: Option<&Path>) -> bool {
    NEVER_WHOLE.iter().any(|wide| path == Path::new(wide))
        || home.is_some_and(|home| home.starts_with(path))
}

impl Tree<'_> {
    pub(super) fn workspace(&mut self, policy: &Policy) -> Result<Vec<Protection>, Failure> {
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

    pub(super) fn grants(&mut self, policy: &Policy) -> Result<Vec<Protection>, Failure> {
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
        origin: &Origin,
        write: bool,
    ) -> Result<PathFact, Failure> {
        let shown = path.display();
        let Some(fact) = self.facts.path(path) else {
            return Err(refuse(format!("{shown} does not exist (granted by {origin})"))
                .hint("create it, or take it out of the policy"));
        };
        let canonical = &fact.canonical;
        if ["/proc", "/sys", "/dev"].iter().any(|tree| canonical.starts_with(tree)) {
            return Err(refuse(format!("{shown} belongs to the kernel and is never granted"))
                .because(format!("asked by {origin}")));
        }
        if NEVER_WHOLE.iter().any(|wide| canonical == Path::new(wide)) {
            return Err(refuse(format!("{shown} is never granted whole (asked by {origin})"))
                .because(
                    "sockets in it reach out of every namespace, or it holds everybody's files",
                )
                .hint(format!("grant the folder below {shown} that the connector needs")));
        }
        let home = self.facts.user_home.as_deref();
        if home.is_some_and(|home| canonical == home || home.starts_with(canonical)) {
            return Err(refuse(format!("the home folder {shown} is never granted whole"))
                .because(format!("asked by {origin}"))
                .hint("grant the folder below it that the connector needs"));
        }
        let holds = |entry: &&PathBuf| entry.starts_with(canonical) || canonical.starts_with(entry);
        if let Some(entries) = self.facts.entries.iter().find(holds) {
            let entries = entries.display();
            return Err(refuse(format!("{shown} is not granted whole (asked by {origin})"))
                .because(format!(
                    "jail keeps what it knows of your running connectors in {entries}"
                ))
                .hint("grant the folders beside it that the connector needs"));
        }
        if write && ["/usr", "/etc", "/boot", "/opt"].iter().any(|t| canonical.starts_with(t)) {
            return Err(refuse(format!("{shown} is the system's own and never writable"))
                .because(format!("asked by {origin}"))
                .hint("grant it for reading only, and let the connector write elsewhere"));
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
}
