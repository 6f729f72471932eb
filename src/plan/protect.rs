//! Places in a writable host folder that act later, outside the jail.
//!
//! A connector that may write `.git/hooks` or `.vscode/tasks.json` runs code as its owner tomorrow.
//! Those that exist are bound read-only over themselves; those that do not exist are put aside when
//! the run ends, should the connector have made them.

use std::path::PathBuf;

/// Names below a writable folder, and what makes them dangerous.
pub const PROTECTED: &[(&str, &str)] = &[
    // A folder stays writable, but cannot be moved away; a file (of a worktree) is read-only; what the
    // connector makes where there was none is put aside whole.
    (".git", "git runs programs that it names"),
    (".git/hooks", "git runs these programs"),
    (".git/config", "git runs programs that this names"),
    (".git/config.worktree", "git runs programs that this names"),
    (".git/commondir", "git takes its configuration from where this says"),
    (".git/modules", "git runs programs that the configurations of submodules name"),
    (".git/worktrees", "git takes the configuration of worktrees from where these say"),
    (
        "HEAD",
        "with objects and refs beside it, git takes the folder and its configuration for a repository",
    ),
    (".mcp.json", "starts connectors"),
    (".vscode", "tasks and settings run programs"),
    (".cursor", "starts connectors"),
    (".idea", "run configurations run programs"),
    (".zed", "tasks and settings run programs"),
    (".devcontainer", "editors run programs that this names"),
    (".claude", "its hooks run programs"),
    (".codex", "starts connectors"),
    (".gemini", "starts connectors"),
    (".husky", "git runs these programs"),
    (".envrc", "direnv runs it"),
    (".cloned", "jail's own policy"),
    (".bashrc", "shells run it"),
    (".bash_profile", "shells run it"),
    (".bash_login", "shells run it"),
    (".profile", "shells run it"),
    (".zshrc", "shells run it"),
    (".zshenv", "shells run it"),
    (".zprofile", "shells run it"),
    (".zlogin", "shells run it"),
    (".npmrc", "npm runs programs that this names"),
    (".yarnrc.yml", "yarn runs the program that this names"),
    (".gitmodules", "git fetches and runs what this names"),
];

/// Jail's own folder in a project: policy and audit log. It is masked wherever a grant would show it.
pub const OWN: &str = ".cloned";

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

/// `.git` itself: as a folder it is pinned, so that it cannot be renamed away from its protections.
pub(super) const GIT: &str = ".git";
