//! The jails that run now, as the audit log and the processes say.

use crate::audit::{AuditError, Event, Reader, RunStart};
use crate::host::process;
use std::path::Path;
use std::time::SystemTime;

/// What runs, oldest first.
#[derive(Debug)]
pub struct Running {
    pub starts: Vec<(SystemTime, RunStart)>,
    /// Lines of the log that could not be read.
    pub damaged: u64,
}

/// Those whose start is in this log and whose supervisor lives. Without a log there are none.
pub fn running(log: &Path) -> Result<Running, AuditError> {
    let mut starts: Vec<(SystemTime, RunStart)> = Vec::new();
    if !log.exists() {
        return Ok(Running { starts, damaged: 0 });
    }
    let mut reader = Reader::open(log, false)?;
    while let Some(entry) = reader.next_entry().map_err(|source| AuditError::Io {
        call: "read",
        path: log.to_owned(),
        source,
    })? {
        match entry.event {
            Some(Event::RunStart(start)) => starts.push((entry.time, start)),
            Some(Event::RunEnd(end)) => starts.retain(|(_, start)| start.run != end.run),
            _ => {}
        }
    }
    starts.retain(|(_, start)| lives(start));
    Ok(Running { starts, damaged: reader.damaged() })
}

/// True where the very process that wrote this start is there. One that was killed wrote no end, and its
/// number can be another one's.
pub fn lives(start: &RunStart) -> bool {
    start.born.is_some() && process::born(start.pid) == start.born
}
