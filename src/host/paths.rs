//! Host paths as they are now: canonical name, identity, kind.

use super::look;
use crate::failure::Failure;
use crate::plan::{CANARIES, Kind, OWN, PROTECTED, PathFact, host_view, mounts};
use crate::policy::load::WorkspaceRoot;
use crate::policy::{Backend, Policy, Workspace};
use crate::resolve::{NeedKind, Resolved};
use crate::sys::fd::Identity;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every path that the plan may ask about and that exists.
pub(super) fn gather(
    policy: &Policy,
    resolved: &Resolved,
) -> Result<BTreeMap<PathBuf, PathFact>, Failure> {
    let mut facts = BTreeMap::new();
    let mut look = |path: &Path| -> Result<(), Failure> {
        if !facts.contains_key(path)
            && let Some(fact) = inspect(path)?
        {
            facts.insert(path.to_path_buf(), fact);
        }
        Ok(())
    };
    look(Path::new("/usr"))?;
    for path in mounts::ROOT_TREES.iter().chain(mounts::ETC).chain(&CANARIES) {
        look(Path::new(path))?;
    }
    if policy.sandbox.value == Backend::Landlock {
        for path in host_view::ETC.iter().chain(&host_view::PROC).chain(&host_view::DEVICES) {
            look(Path::new(path))?;
        }
    }
    for need in resolved.needs.iter().filter(|n| !matches!(n.kind, NeedKind::Symlink { .. })) {
        look(&need.path)?;
    }
    for rule in policy.filesystem.read.iter().chain(&policy.filesystem.write) {
        look(&rule.value.path)?;
        look(&rule.value.path.join(OWN))?;
    }
    match &policy.filesystem.workspace.value {
        Workspace::Host { path } | Workspace::Copy { path, .. } => {
            look(path)?;
            look(&path.join(OWN))?;
        }
        Workspace::Tmpfs { .. } => {}
    }
    // The one of this run, however deep in a granted folder it lies.
    let cwd = std::env::current_dir().map_err(|error| {
        Failure::new(crate::failure::Kind::Io, "cannot tell the current folder").because(error)
    })?;
    if let Some(root) = WorkspaceRoot::find(&cwd)? {
        look(&root.path.join(OWN))?;
    }
    for folder in writable_folders(policy)? {
        for (name, _) in PROTECTED {
            look(&folder.join(name))?;
        }
    }
    Ok(facts)
}

/// The canonical host folders that the connector may write.
fn writable_folders(policy: &Policy) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = Vec::new();
    for path in policy.filesystem.writable_folders() {
        folders.extend(look::found(path, fs::canonicalize(path))?);
    }
    Ok(folders)
}

fn inspect(path: &Path) -> Result<Option<PathFact>, Failure> {
    let Some(canonical) = look::found(path, fs::canonicalize(path))? else { return Ok(None) };
    let meta = look::found(&canonical, fs::symlink_metadata(&canonical))?;
    let Some(meta) = meta else { return Ok(None) };
    let identity =
        Identity { device: meta.dev(), inode: meta.ino(), kind: meta.mode() & libc::S_IFMT };
    let kind = if meta.is_dir() { Kind::Dir } else { Kind::File };
    Ok(Some(PathFact { canonical, identity, kind }))
}

/// `/bin` → `usr/bin` and its like.
pub(super) fn root_links() -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut links = Vec::new();
    for path in mounts::ROOT_TREES {
        let target = match fs::read_link(path) {
            // What is no link.
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => None,
            result => look::found(Path::new(path), result)?,
        };
        links.extend(target.map(|target| (path[1..].to_owned(), target)));
    }
    Ok(links)
}

/// Asked for where something is granted at all.
pub(super) fn entries(policy: &Policy) -> Vec<PathBuf> {
    let filesystem = &policy.filesystem;
    let own = matches!(filesystem.workspace.value, Workspace::Tmpfs { .. });
    if own && filesystem.read.is_empty() && filesystem.write.is_empty() {
        return Vec::new();
    }
    super::runtime::hidden()
}

/// Where runs without namespaces have their folders. What is not there yet is no link.
pub(super) fn runs(policy: &Policy, home: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if ![Backend::Landlock, Backend::Container].contains(&policy.sandbox.value) {
        return Ok(None);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(".cache")));
    let Some(cache) = cache else { return Ok(None) };
    for there in cache.ancestors() {
        if let Some(real) = look::found(there, fs::canonicalize(there))? {
            let rest = cache.strip_prefix(there).unwrap_or(Path::new(""));
            return Ok(Some(real.join(rest).join("jail/runs")));
        }
    }
    Ok(None)
}
