//! Why the log cannot be written or read.

use crate::failure::{Failure, Kind};
use std::io;
use std::path::PathBuf;

/// A failure of the audit log; each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    #[error("another process has held the lock of {path} for {seconds} s")]
    Busy { path: PathBuf, seconds: u64 },
    #[error("the last {bytes} bytes of {path} hold no record")]
    Damaged { path: PathBuf, bytes: u64 },
    #[error("cannot put the event into JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the disk is full: {written} of {bytes} bytes of a record were written to {path}")]
    Full { path: PathBuf, written: usize, bytes: usize },
    #[error("cannot {call} {path}")]
    Io { call: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is no {wanted}")]
    NotA { path: PathBuf, wanted: &'static str },
    #[error("{path} belongs to user {owner}, not to {uid}")]
    Owner { path: PathBuf, owner: u32, uid: u32 },
    #[error("{path} was replaced again and again while it was being opened")]
    Replaced { path: PathBuf },
    #[error("{path} would grow past the limit on file sizes ({limit} bytes)")]
    SizeLimit { path: PathBuf, limit: u64 },
    #[error("{path} is a symbolic link")]
    Symlink { path: PathBuf },
    #[error("an event of {bytes} bytes is longer than a record may be")]
    TooLong { bytes: usize },
    #[error("group or others can write {path} (mode {mode:04o})")]
    Writable { path: PathBuf, mode: u32 },
}

impl AuditError {
    pub(super) fn io(call: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { call, path: path.to_owned(), source }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Busy { path, .. } => format!("find the process: fuser -v {}", path.display()),
            Self::Damaged { path, .. } => format!(
                "run `jail audit verify {}`, then move it and its .head file away together",
                path.display()
            ),
            Self::Full { path, .. } => format!(
                "make space; or move {} and its .head file away together to begin a new log",
                path.display()
            ),
            Self::Owner { .. } => "run jail as the user that owns the workspace".into(),
            Self::SizeLimit { .. } => "raise it: ulimit -f unlimited".into(),
            Self::Symlink { path } | Self::NotA { path, .. } => {
                format!("look at who made it: ls -ld {}", path.display())
            }
            Self::Writable { path, .. } => format!("chmod go-w {}", path.display()),
            Self::Encode(_) | Self::Io { .. } | Self::Replaced { .. } | Self::TooLong { .. } => {
                return None;
            }
        })
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let mut failure = Self::new(Kind::Io, "the audit log cannot be used").because(&error);
        if let Some(cause) = std::error::Error::source(&error) {
            failure = failure.because(cause);
        }
        match error.remedy() {
            Some(remedy) => failure.hint(remedy),
            None => failure,
        }
    }
}
