//! Follows a path as the kernel does, and remembers every symbolic link on the way.
//!
//! The jail starts as an empty root: a link that the host passes through must exist there too, at
//! its own place, or the path ends nowhere.

use super::ResolveError;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many as the kernel follows in one look-up.
const MAX_LINKS: usize = 40;

/// A symbolic link, at its physical place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) path: PathBuf,
    pub(super) target: PathBuf,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Walk {
    /// In the order in which they are passed.
    pub(super) links: Vec<Link>,
    /// Free of links, `.` and `..`.
    pub(super) real: PathBuf,
}

enum Step {
    Up,
    Into(OsString),
}

/// Follows the absolute path `path` to the end.
pub(super) fn follow(path: &Path) -> Result<Walk, ResolveError> {
    let mut todo = VecDeque::new();
    queue_front(&mut todo, path);
    let mut real = PathBuf::from("/");
    let mut links: Vec<Link> = Vec::new();
    while let Some(step) = todo.pop_front() {
        let name = match step {
            Step::Up => {
                real.pop();
                continue;
            }
            Step::Into(name) => name,
        };
        let next = real.join(&name);
        match std::fs::read_link(&next) {
            Ok(target) => {
                if links.len() >= MAX_LINKS {
                    return Err(ResolveError::LinkLoop { path: path.to_owned() });
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                queue_front(&mut todo, &target);
                links.push(Link { path: next, target });
            }
            // Not a link: a file or a folder, entered as it is.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => real = next,
            Err(error) => return Err(broken(path, next, links.pop(), error)),
        }
    }
    Ok(Walk { links, real })
}

fn queue_front(todo: &mut VecDeque<Step>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(Step::Into(name.to_owned())),
            Component::ParentDir => todo.push_front(Step::Up),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

fn broken(path: &Path, at: PathBuf, last: Option<Link>, error: io::Error) -> ResolveError {
    let absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    match last {
        Some(link) if absent => {
            let folder = link.path.parent().unwrap_or(Path::new("/"));
            ResolveError::DanglingLink { target: folder.join(&link.target), link: link.path }
        }
        None if absent => ResolveError::NotFound {
            command: path.as_os_str().to_owned(),
            searched: Vec::new(),
            near: Vec::new(),
        },
        _ => ResolveError::from_io(&at, error),
    }
}
