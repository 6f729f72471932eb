//! The supervisor's side of an entry: made before anything of the connector is started, locked until the
//! supervisor ends.

use super::clean::clean;
use super::log::Log;
use super::{ENDED, PARTS, RUNS};
use super::{End, Record};
use crate::audit::Digest;
use crate::failure::{Failure, Kind};
use crate::host::runtime;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(super) const RECORD: &str = "run.json";

/// What belongs to one workspace has one name: that of its audit log, shortened.
pub fn bucket(audit_log: &Path) -> String {
    let mut name = Digest::of(audit_log.as_os_str().as_bytes()).to_string();
    name.truncate(8);
    name
}

/// The entry of this process. Dropped, it is one of a run that has ended.
#[derive(Debug)]
pub struct Held {
    place: PathBuf,
    name: String,
    log: Log,
    /// A child that was cloned from us has this in memory; the entry is not its own.
    owner: u32,
    over: bool,
    #[expect(dead_code, reason = "held, never read")]
    lock: Flock<File>,
}

impl Held {
    /// Cleans up after runs that were killed, and makes this one's entry. `audit_log` is where it is recorded.
    pub fn begin(record: &Record, audit_log: &Path) -> Result<Self, Failure> {
        let cannot = |why: String| {
            Failure::new(Kind::Io, "jail ps, stop and logs will not find this run").because(why)
        };
        let place = runtime::usable(&PARTS).map_err(|why| cannot(why.join("; ")))?;
        let bucket = bucket(audit_log);
        clean(&place, &bucket);
        let name = format!("{}-{bucket}", record.run);
        Self::make(place.clone(), name, record)
            .map_err(|error| cannot(format!("{}: {error}", place.display())))
    }

    fn make(place: PathBuf, name: String, record: &Record) -> io::Result<Self> {
        let unborn = place.join(RUNS).join(format!(".{name}"));
        let folder = place.join(RUNS).join(&name);
        DirBuilder::new().mode(0o700).create(&unborn)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(unborn.join(RECORD))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let mut text = serde_json::to_vec(record)?;
        text.push(b'\n');
        lock.write_all(&text)?;
        let log = Log::create(&unborn)?;
        fs::rename(&unborn, &folder)?;
        log.moved(&folder);
        Ok(Self { place, name, log, owner: std::process::id(), over: false, lock })
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Notes how the run ended. It is no longer among the living after this.
    pub fn end(mut self, end: &End) {
        // Who would be told is gone, or is told already that the log ends earlier.
        drop(self.log.end(end));
        self.leave();
    }

    fn leave(&mut self) {
        if self.over || self.owner != std::process::id() {
            return;
        }
        self.over = true;
        let (from, to) = (self.place.join(RUNS), self.place.join(ENDED).join(&self.name));
        // Where this fails, the next one that looks does it: nobody holds the lock then.
        if fs::rename(from.join(&self.name), &to).is_ok() {
            self.log.moved(&to);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Is its supervisor gone? Nobody else ever holds this lock for itself alone. `None` where there is no
/// record.
pub(super) fn is_over(folder: &Path) -> Option<(bool, File)> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(folder.join(RECORD)).ok()?;
    let copy = file.try_clone().ok()?;
    match Flock::lock(copy, FlockArg::LockSharedNonblock) {
        // Let go at once.
        Ok(lock) => drop(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Some((false, file)),
        Err(_) => return None,
    }
    Some((true, file))
}
