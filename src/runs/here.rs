//! The run that somebody means by its id, wherever it is known.

use super::{Run, Stopping, bucket, living};
use crate::audit::{AuditError, RunStart, Text};
use crate::failure::Failure;
use crate::session::running;
use std::path::Path;

/// A run of this user's in one workspace: by its entry, or by the audit log where it could have none.
#[derive(Debug)]
pub enum Here {
    Entry(Box<Run>),
    Start(Box<RunStart>),
}

/// The run of this id that goes on in the workspace of this log, as [`super::now`] lists it.
pub fn here(log: &Path, id: &str) -> Result<Option<Here>, AuditError> {
    let own = bucket(log);
    let mut entries = living().into_iter();
    let named = |run: &Run| run.bucket == own && run.record.run.as_str() == id;
    if let Some(run) = entries.find(named) {
        return Ok(Some(Here::Entry(Box::new(run))));
    }
    let user = nix::unistd::getuid().as_raw();
    let mut starts = running::running(log)?.starts.into_iter().map(|(_, start)| start);
    let found = starts.find(|start| start.run.as_str() == id && start.uid == user);
    Ok(found.map(|start| Here::Start(Box::new(start))))
}

impl Here {
    pub fn connector(&self) -> &Text {
        match self {
            Self::Entry(run) => &run.record.connector,
            Self::Start(start) => &start.connector,
        }
    }

    /// So that it can be ended.
    pub fn stopping(&self) -> Result<Stopping, Failure> {
        match self {
            Self::Entry(run) => Stopping::of(run),
            Self::Start(start) => Stopping::new(start.pid, start.born.as_ref()),
        }
    }
}
