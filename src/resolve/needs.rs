//! Collects what the jail must see, without saying anything twice.

use super::guard::{holds_secrets, too_wide};
use super::walk::Link;
use super::{Need, NeedKind, Request};
use crate::policy::SystemTree;
use std::path::{Path, PathBuf};

/// What `SystemTree::Usr` puts into the jail.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/libo32", "/libn32"];

/// The needs found so far, and what is there anyway.
pub(super) struct Needs<'a> {
    covered: &'a [PathBuf],
    system: SystemTree,
    home: Option<PathBuf>,
    found: Vec<Need>,
}

impl<'a> Needs<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        // Trees are compared after links are resolved, so the home must be too.
        let home = request
            .home
            .map(|home| std::fs::canonicalize(home).unwrap_or_else(|_| home.to_owned()));
        Self { covered: request.covered, system: request.system, home, found: Vec::new() }
    }

    /// Is this part of the system's own programs, which the jail sees whole?
    pub(super) fn is_system(&self, path: &Path) -> bool {
        self.system == SystemTree::Usr && SYSTEM.iter().any(|tree| path.starts_with(tree))
    }

    /// Does the jail have this path without any need of ours?
    pub(super) fn is_covered(&self, path: &Path) -> bool {
        self.is_system(path) || self.covered.iter().any(|tree| path.starts_with(tree))
    }

    /// Will the jail have this path, with the needs found so far?
    pub(super) fn is_present(&self, path: &Path) -> bool {
        self.is_covered(path)
            || self.found.iter().any(|need| match need.kind {
                NeedKind::Tree => path.starts_with(&need.path),
                NeedKind::File | NeedKind::Symlink { .. } => need.path == path,
            })
    }

    pub(super) fn link(&mut self, link: &Link, why: &str) {
        let kind = NeedKind::Symlink { target: link.target.clone() };
        self.push(&link.path, kind, why);
    }

    pub(super) fn file(&mut self, path: &Path, why: &str) {
        self.push(path, NeedKind::File, why);
    }

    /// Adds a tree, unless it would show the jail too much: then says `false`.
    #[must_use]
    pub(super) fn tree(&mut self, path: &Path, why: &str) -> bool {
        if too_wide(path, self.home.as_deref()).is_some() {
            return false;
        }
        self.push(path, NeedKind::Tree, why);
        true
    }

    /// Adds a tree that the program can do without if it is too wide to show.
    pub(super) fn tree_if_narrow(&mut self, path: &Path, why: &str) {
        if !self.is_too_wide(path) {
            self.push(path, NeedKind::Tree, why);
        }
    }

    pub(super) fn is_too_wide(&self, path: &Path) -> bool {
        too_wide(path, self.home.as_deref()).is_some()
    }

    pub(super) fn is_secret(&self, path: &Path) -> bool {
        !self.is_covered(path) && holds_secrets(path, self.home.as_deref())
    }

    fn push(&mut self, path: &Path, kind: NeedKind, why: &str) {
        if self.is_present(path) {
            return;
        }
        self.found.push(Need { path: path.to_owned(), why: why.to_owned(), kind });
    }

    /// The needs, without those that lie inside a tree that was found later.
    pub(super) fn finish(self) -> Vec<Need> {
        let trees: Vec<PathBuf> = self
            .found
            .iter()
            .filter(|need| need.kind == NeedKind::Tree)
            .map(|need| need.path.clone())
            .collect();
        let inside = |path: &Path| trees.iter().any(|tree| path != tree && path.starts_with(tree));
        self.found.into_iter().filter(|need| !inside(&need.path)).collect()
    }
}
