//! The audit log as pages and live views need it: its end, and what runs. Read once and followed from then on,
//! for all of them.

use crate::audit::{Applied, AuditError, Entry, Event, Reader, RunId, RunStart};
use crate::session::running::lives;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Records of the end that are kept.
const KEPT: usize = 2000;

/// What is known of the log now.
pub(crate) struct Follow {
    path: PathBuf,
    reader: Option<Reader<BufReader<File>>>,
    /// Which file it is, and how long it was at the last look.
    file: Option<(u64, u64, u64)>,
    last: VecDeque<Entry>,
    runs: HashMap<RunId, Started>,
    damaged: u64,
}

/// A run whose end is not in the log.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    pub(crate) since: SystemTime,
    pub(crate) start: RunStart,
    pub(crate) applied: Option<Applied>,
    pub(crate) refused: u64,
}

impl Follow {
    pub(crate) fn new(path: PathBuf) -> Self {
        let (last, runs) = (VecDeque::new(), HashMap::new());
        Self { path, reader: None, file: None, last, runs, damaged: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was written since the last look. A log that is not there yet is empty.
    pub(crate) fn catch_up(&mut self) -> Result<(), AuditError> {
        let read = self.read_on();
        if read.is_err() {
            // What was read of it would be read, and counted, once more.
            *self = Self::new(std::mem::take(&mut self.path));
        }
        read
    }

    fn read_on(&mut self) -> Result<(), AuditError> {
        let now = std::fs::metadata(&self.path).ok().map(|it| (it.dev(), it.ino(), it.len()));
        let Some((dev, ino, len)) = now else {
            *self = Self::new(std::mem::take(&mut self.path));
            return Ok(());
        };
        let same = |old: (u64, u64, u64)| (old.0, old.1) == (dev, ino) && old.2 <= len;
        if !self.file.is_some_and(same) {
            *self = Self::new(std::mem::take(&mut self.path));
        }
        self.file = now;
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.path, true)?,
        };
        let path = &self.path;
        let failed = |source| AuditError::Io { call: "read", path: path.clone(), source };
        let mut read = Vec::new();
        while let Some(entry) = reader.next_entry().map_err(failed)? {
            read.push(entry);
            if read.len() == KEPT {
                read.drain(..).for_each(|entry| keep(&mut self.last, &mut self.runs, entry));
            }
        }
        read.into_iter().for_each(|entry| keep(&mut self.last, &mut self.runs, entry));
        self.damaged = reader.damaged();
        self.reader = Some(reader);
        Ok(())
    }

    /// Lines that could not be read.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The last records, oldest first.
    pub(crate) fn last(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.last.iter()
    }

    /// What runs, oldest first. Those that were killed are forgotten.
    pub(crate) fn running(&mut self) -> Vec<Started> {
        self.runs.retain(|_, run| lives(&run.start));
        let mut runs: Vec<Started> = self.runs.values().cloned().collect();
        runs.sort_by_key(|run| (run.since, run.start.pid));
        runs
    }
}

fn keep(last: &mut VecDeque<Entry>, runs: &mut HashMap<RunId, Started>, entry: Entry) {
    match &entry.event {
        Some(Event::RunStart(start)) => {
            let run =
                Started { since: entry.time, start: start.clone(), applied: None, refused: 0 };
            runs.insert(start.run.clone(), run);
        }
        Some(Event::Applied(applied)) => {
            if let Some(run) = runs.get_mut(&applied.run) {
                run.applied = Some(applied.clone());
            }
        }
        Some(Event::Denial(denial)) => {
            if let Some(run) = runs.get_mut(&denial.run) {
                run.refused += u64::from(denial.times);
            }
        }
        Some(Event::RunEnd(end)) => drop(runs.remove(&end.run)),
        _ => {}
    }
    if last.len() == KEPT {
        last.pop_front();
    }
    last.push_back(entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Log};
    use std::io::Write as _;

    fn act(log: &Path, object: &str) {
        let act = Act {
            run: RunId::fresh(),
            act: "firewall deny".into(),
            object: object.into(),
            by: "ann".into(),
            via: crate::approvals::Via::Cli,
            failed: None,
        };
        Log::open(log).unwrap().append(&Event::Act(act)).unwrap();
    }

    #[test]
    fn a_log_is_read_once_also_after_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut follow = Follow::new(path.clone());
        follow.catch_up().unwrap();
        act(&path, "one");
        follow.catch_up().unwrap();
        act(&path, "two");
        follow.catch_up().unwrap();
        assert_eq!((follow.last().count(), follow.damaged()), (2, 0));
        // A reader that cannot go on: the same file, opened for writing alone.
        let write_only = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let unreadable = Reader::of_file(write_only);
        follow.reader = Some(unreadable);
        act(&path, "three");
        assert!(follow.catch_up().is_err());
        follow.catch_up().unwrap();
        assert_eq!(follow.last().count(), 3, "none is there twice");
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"odd\n").unwrap();
        follow.catch_up().unwrap();
        assert_eq!((follow.last().count(), follow.damaged()), (3, 1));
    }
}
