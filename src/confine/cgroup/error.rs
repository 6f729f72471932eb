//! What went wrong with a cgroup: the act, the file, the error number, and what to do.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use nix::errno::Errno;
use std::fmt;
use std::path::{Path, PathBuf};

/// A failed act on a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupError {
    /// What was being done, as it reads after "cannot": `limit memory`.
    pub what: String,
    /// The call: `write`, `mkdir`, `read back`, `StartTransientUnit`.
    pub op: &'static str,
    pub path: PathBuf,
    /// The error number, where the kernel gave one.
    pub errno: Option<Errno>,
    /// More than the number says (both values of a failed read-back, the bus's own words).
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl CgroupError {
    pub(super) fn new(what: impl Into<String>, op: &'static str, path: &Path) -> Self {
        let (what, path) = (what.into(), path.to_path_buf());
        Self { what, op, path, errno: None, detail: None, hint: None }
    }

    /// From an I/O error; the hint follows from the number where it has one usual reason.
    pub(super) fn io(
        what: impl Into<String>,
        op: &'static str,
        path: &Path,
        e: &std::io::Error,
    ) -> Self {
        let mut error = Self::new(what, op, path);
        match e.raw_os_error() {
            Some(number) => error.errno = Some(Errno::from_raw(number)),
            None => error.detail = Some(e.to_string()),
        }
        error.hint = error.errno.and_then(usual_reason).map(str::to_owned);
        error
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The usual reason for an error number on the cgroup file system.
fn usual_reason(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EBUSY => Some(
            "a cgroup with processes in it cannot give controllers to its children; move them to a \
             child cgroup of their own",
        ),
        Errno::EACCES | Errno::EPERM => {
            Some("this cgroup was not delegated to this user; see `jail doctor host`")
        }
        Errno::EROFS => Some(
            "the cgroup file system is read-only here, as in most containers; give the container a \
             writable cgroup namespace of its own",
        ),
        _ => None,
    }
}

impl fmt::Display for CgroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}({})", self.what, self.op, self.path.display())?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CgroupError {}

impl From<CgroupError> for Failure {
    fn from(error: CgroupError) -> Self {
        let failure = Failure::new(Kind::Refused, error.to_string()).at(Stage::Cgroup);
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
