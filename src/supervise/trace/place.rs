//! Where a path of the jail leads, by the plan: to a file of the host that is shown, or to something of the
//! jail's own.
//!
//! Links are followed as the kernel does inside, with `lstat` and `readlink` on the host's side of a
//! mount; nothing is opened. What it says is told to a person, and nothing else depends on it: a connector
//! that moves things about meanwhile can make it wrong, and gains nothing.

use super::memory::plain;
use crate::plan::{Bind, MountStep, Plan};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Links on one path; as many as the kernel follows.
const LINKS: usize = 40;

#[derive(Debug)]
pub(super) enum Place<'a> {
    /// Below something that the host shares.
    Shared {
        host: PathBuf,
        shared: Shared<'a>,
        /// What is there on the host.
        found: Option<Box<Metadata>>,
    },
    /// Below something of the jail's own.
    Own { step: Option<&'a MountStep> },
}

/// How it is shared.
#[derive(Debug, Clone)]
pub(super) enum Shared<'a> {
    Bind(&'a Bind),
    /// A throw-away view.
    Overlay {
        target: PathBuf,
        size: u64,
    },
}

/// A path as it is inside, without links, and where it leads.
#[derive(Debug)]
pub(super) struct Located<'a> {
    pub inside: PathBuf,
    /// The same before the jail's own links (`/var/tmp`, `/bin`), which the host need not have.
    pub outside: PathBuf,
    pub place: Place<'a>,
}

enum Walked {
    There(PathBuf, Option<Metadata>),
    /// A link leads to this path of the jail.
    Elsewhere(PathBuf),
}

/// Finds where an absolute path leads; `None` where links go round in circles.
pub(super) fn locate<'a>(plan: &'a Plan, path: &Path) -> Option<Located<'a>> {
    let mut inside = plain(path);
    let mut outside = inside.clone();
    for _ in 0..LINKS {
        let Some((step, target)) = cover(plan, &inside) else {
            return Some(Located { inside, outside, place: Place::Own { step: None } });
        };
        let rest = inside.strip_prefix(&target).unwrap_or(Path::new("")).to_path_buf();
        let (host, shared) = match step {
            MountStep::Symlink { to, .. } => {
                inside = turn(&target, to, &rest);
                continue;
            }
            MountStep::Bind(bind) => (&bind.host, Shared::Bind(bind)),
            MountStep::Overlay { host, size, .. } => {
                (host, Shared::Overlay { target: target.clone(), size: *size })
            }
            step => {
                let place = Place::Own { step: Some(step) };
                return Some(Located { inside, outside, place });
            }
        };
        match walk(host, &target, &rest) {
            Walked::Elsewhere(path) => {
                outside.clone_from(&path);
                inside = path;
            }
            Walked::There(host, found) => {
                let found = found.map(Box::new);
                let place = Place::Shared { host, shared, found };
                return Some(Located { inside, outside, place });
            }
        }
    }
    None
}

/// The step that shows this path: the deepest one, the later of two.
fn cover<'a>(plan: &'a Plan, path: &Path) -> Option<(&'a MountStep, PathBuf)> {
    plan.mounts
        .iter()
        .filter(|step| !matches!(step, MountStep::SealRoot))
        .map(|step| (step, step.target()))
        .filter(|(_, target)| path.starts_with(target))
        .max_by_key(|(_, target)| target.components().count())
}

/// Where the link at `at` leads, with what comes after it.
fn turn(at: &Path, to: &Path, rest: &Path) -> PathBuf {
    plain(&at.parent().unwrap_or(Path::new("/")).join(to).join(rest))
}

fn walk(root: &Path, target: &Path, rest: &Path) -> Walked {
    let (mut host, mut inside) = (root.to_path_buf(), target.to_path_buf());
    let mut found = fs::symlink_metadata(&host).ok();
    let mut names = rest.components();
    while let Some(name) = names.next() {
        let name: &OsStr = name.as_os_str();
        host.push(name);
        inside.push(name);
        found = fs::symlink_metadata(&host).ok();
        match &found {
            Some(meta) if meta.is_symlink() => {
                let Ok(to) = fs::read_link(&host) else { return Walked::There(host, None) };
                return Walked::Elsewhere(turn(&inside, &to, names.as_path()));
            }
            Some(_) => {}
            None => return Walked::There(host.join(names.as_path()), None),
        }
    }
    Walked::There(host, found)
}

impl Located<'_> {
    /// Where the host may have what the jail has not.
    pub(super) fn on_host(&self) -> &Path {
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        let folder = |path: &Path| path.parent().is_some_and(is_there);
        if is_there(&self.outside) || (folder(&self.outside) && !is_there(&self.inside)) {
            &self.outside
        } else {
            &self.inside
        }
    }
}

impl Place<'_> {
    /// Programs of it are not run.
    pub(super) fn no_exec(&self) -> bool {
        match self {
            Self::Shared { shared: Shared::Bind(bind), .. } => !bind.exec,
            Self::Shared { .. } => false,
            Self::Own { step } => !matches!(step, Some(MountStep::Tmpfs { exec: true, .. })),
        }
    }
}
