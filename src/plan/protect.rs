//! Places in a writable host folder that act later, outside the jail.
//!
//! A connector that may write `.git/hooks` or `.vscode/tasks.json` runs code as its owner tomorrow.
//! Those that exist are bound read-only over themselves; those that do not exist are put aside when
//! the run ends, should the connector have made them.

use std::path::{Path, PathBuf};

/// Names below a writable folder, and what makes them dangerous.
pub const PROTECTED: &[(&str, &str)] = &[
    (".git/hooks", "git runs these programs"),
    (".git/config", "git runs programs that this names"),
    (".mcp.json", "starts connectors"),
    (".vscode", "tasks and settings run programs"),
    (".cursor", "starts connectors"),
    (".idea", "run configurations run programs"),
    (".envrc", "direnv runs it"),
    (".cloned", "jail's own policy"),
    (".bashrc", "shells run it"),
    (".bash_profile", "shells run it"),
    (".bash_login", "shells run it"),
    (".profile", "shells run it"),
    (".zshrc", "shells run it"),
    (".zshenv", "shells run it"),
    (".zprofile", "shells run it"),
    (".npmrc", "npm runs programs that this names"),
    (".gitmodules", "git fetches and runs what this names"),
];

/// One protected place below one writable folder of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The writable folder, canonical.
    pub folder: PathBuf,
    pub name: &'static str,
    /// Found when the plan was made; then it is read-only in the jail.
    pub existed: bool,
}

impl Protection {
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }
}

/// True where `.git` itself must be pinned, so that it cannot be renamed away from its protections.
pub(super) fn pins_git(name: &str) -> bool {
    Path::new(name).starts_with(".git")
}
