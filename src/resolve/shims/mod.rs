//! Shims: stand-ins on PATH that a version manager replaces by the real program at each start.
//!
//! A shim needs its manager, a shell and all the manager's folders; the program needs only itself.
//! So the choice that the manager would make is made here, from its own files and without running
//! it. Where its files do not say, the error holds the command that does.
//!
//! Environment variables such as PYENV_VERSION are not looked at: the jail does not pass them on.

mod asdf;
mod mise;
mod pyenv;
mod rustup;
mod versions;
mod volta;

use super::{ResolveError, files};
use std::path::{Path, PathBuf};

/// A shim is a few lines; asdf's grow by a line with each version.
const SHIM_CAP: usize = 16 * 1024;

/// What stands behind a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Real {
    /// Itself: it is no shim.
    Itself,
    Program {
        path: PathBuf,
        /// A folder that must come first on PATH: the Node.js that a package was installed with.
        pinned: Option<PathBuf>,
    },
    /// The manager stands back ("system"): the next one on PATH, without this folder.
    Next { skip: PathBuf },
}

/// A command to look behind.
pub(super) struct Asked<'a> {
    /// As found on PATH.
    pub(super) shim: &'a Path,
    /// Where its links lead.
    pub(super) real: &'a Path,
    pub(super) cwd: &'a Path,
    pub(super) home: Option<&'a Path>,
}

impl Asked<'_> {
    fn name(&self) -> &str {
        self.shim.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// `~/.pyenv/shims/x` → `~/.pyenv`.
    fn root(&self) -> PathBuf {
        self.shim.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned()
    }

    fn unclear(&self, manager: &'static str, problem: impl Into<String>) -> ResolveError {
        let verb = if manager == "uv" { "python find" } else { "which" };
        ResolveError::Shim {
            shim: self.shim.to_owned(),
            manager,
            problem: problem.into(),
            ask: format!("{manager} {verb} {}", self.name()),
        }
    }
}

/// Looks behind `asked.shim`.
pub(super) fn real(asked: &Asked<'_>) -> Result<Real, ResolveError> {
    let behind = asked.real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if behind != asked.name() {
        match behind {
            "mise" | "rtx" => return mise::real(asked),
            "volta-shim" => return volta::real(asked),
            "rustup" | "rustup-init" => return rustup::real(asked),
            _ => {}
        }
    }
    let folder = asked.shim.parent().and_then(Path::file_name);
    if folder.is_none_or(|name| name != "shims") {
        return Ok(Real::Itself);
    }
    let Ok(bytes) = files::head(asked.shim, SHIM_CAP) else { return Ok(Real::Itself) };
    let text = String::from_utf8_lossy(&bytes);
    if !text.starts_with("#!") {
        return Ok(Real::Itself);
    }
    if let Some(manager) = pyenv::MANAGERS.iter().find(|known| known.is_shim(&text)) {
        return pyenv::real(asked, manager);
    }
    if text.contains("asdf exec") || text.contains("asdf-plugin:") || text.contains("asdf\" exec") {
        return asdf::real(asked, &text);
    }
    if text.contains("mise ") || text.contains("mise\" ") {
        return mise::real(asked);
    }
    Ok(Real::Itself)
}

fn found(path: PathBuf) -> Real {
    Real::Program { path, pinned: None }
}
