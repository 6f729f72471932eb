//! Read-only binds over what acts later, outside; see `plan::protect`.

use super::Tree;
use crate::plan::{Bind, Facts, Kind, MountStep, PROTECTED, Protection, protect};
use crate::planted::{Control, broken};
use crate::policy::Policy;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Tree<'_> {
    /// Read-only binds over what exists and would act later.
    pub(super) fn protect(&mut self, protections: &[Protection]) {
        if broken(Control::Protections) {
            return;
        }
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
    pub(super) fn hide_own(&mut self) {
        if broken(Control::HideOwn) {
            return;
        }
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
}

pub(in crate::plan) fn is_protection(step: &MountStep) -> bool {
    matches!(step, MountStep::Bind(b) if b.why.starts_with("protected") || b.why.starts_with("pinned"))
}

pub(super) fn protections(folder: &Path, facts: &Facts, policy: &Policy) -> Vec<Protection> {
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
