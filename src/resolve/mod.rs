//! Finds the command as the user's shell would, and what the jail must see to run it.
//!
//! The jail's root is empty: host paths are bound into it read-only at the same absolute path. So
//! every link, interpreter, loader and library between the name that was typed and a running
//! process is either there anyway (`covered`, the system tree) or becomes a [`Need`].
//!
//! | file | question |
//! |---|---|
//! | `path_lookup` | which file does the name mean? |
//! | `shims` | which program does a version manager's stand-in run? |
//! | `walk` | which links lie on the way? |
//! | `exec` | what does the kernel open to start it? (`shebang`, `elf`, `libs`, `ldcache`) |
//! | `prefix`, `script` | which folder belongs to it? |
//! | `guard` | is that folder too wide to show? |
//! | `explain` | after execve failed: which file is missing? |
//!
//! Nothing is run and nothing is written. Files of the user's are hostile input here: they are read
//! with size caps, and anything may be garbage.

mod arguments;
mod elf;
mod error;
mod exec;
mod explain;
mod files;
mod finder;
mod guard;
mod ldcache;
mod libs;
mod needs;
mod path_lookup;
mod prefix;
mod script;
mod shebang;
mod shims;
mod walk;

pub use arguments::absolute_arguments;
pub use error::ResolveError;
pub use explain::explain_exec_failure;
pub use guard::{holds_secrets, too_wide};
pub use script::candidate_paths;

use crate::policy::SystemTree;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What is to be run, and what the jail will have anyway.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// A name to look up on PATH, or a path.
    pub command: &'a OsStr,
    /// Its arguments, without the command itself: an interpreter's script is among them.
    pub args: &'a [OsString],
    /// The user's PATH; an empty element is `cwd`.
    pub path_var: &'a OsStr,
    /// Absolute.
    pub cwd: &'a Path,
    pub home: Option<&'a Path>,
    /// Trees that the jail has at the same path (`filesystem.read`, `filesystem.write`).
    pub covered: &'a [PathBuf],
    pub system: SystemTree,
}

/// What to exec, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The absolute path to exec: as named, links not followed, since programs look at their own
    /// name. A version manager's shim is replaced by the program that it runs.
    pub program: PathBuf,
    /// In no particular order that matters; none lies inside another that is a tree.
    pub needs: Vec<Need>,
    /// Folders that must be on PATH in the jail, before its own.
    pub path_dirs: Vec<PathBuf>,
}

/// One host path that the jail must see, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Absolute; no component but the last is a symbolic link.
    pub path: PathBuf,
    /// For `jail explain`: reads after "because it is".
    pub why: String,
    pub kind: NeedKind,
}

/// How a need is put into the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeedKind {
    /// A folder and all below it.
    Tree,
    /// One file.
    File,
    /// A symbolic link with this target, word for word.
    Symlink { target: PathBuf },
}

/// Finds the command and what it needs.
///
/// # Errors
/// Names the file that stands in the way; the jail would only say "no such file".
pub fn resolve(request: &Request<'_>) -> Result<Resolved, ResolveError> {
    exec::Resolver::new(request).resolve()
}

/// What loading this program opens: its loader (`true`) and libraries; nothing for a static one.
pub fn objects(program: &Path) -> Result<Vec<(PathBuf, bool)>, crate::failure::Failure> {
    let closure = libs::closure(program, &[], &|_| false)?;
    Ok(closure.objects.into_iter().map(|object| (object.path, object.is_loader)).collect())
}

#[cfg(test)]
mod tests;
