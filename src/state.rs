//! What has to outlive a process and is not a file for people: `.cloned/state.db`, SQLite.
//!
//! Several processes write it at once: in WAL mode readers wait for nobody, and a writer waits for
//! another one at most [`PATIENCE`]. A transaction that was committed is there after SIGKILL and after a
//! power cut (`synchronous = FULL`). Nobody but its owner may read the file.

use crate::failure::{Failure, Kind};
use crate::policy::load::{FOLDER, WorkspaceRoot};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Its name in `.cloned`.
pub const NAME: &str = "state.db";
/// How long a writer waits for another one.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a writer sleeps before it looks again whether the other one is done.
const GAP: Duration = Duration::from_millis(1);

/// Each brings the database from the version that is its place to the next. What was released is never
/// changed: a new one is added.
const MIGRATIONS: [&str; 2] = [include_str!("state/0001.sql"), include_str!("state/0002.sql")];

/// An open database.
pub struct State {
    connection: Connection,
    path: PathBuf,
    patience: Duration,
}

/// `.cloned/state.db`; it need not exist.
pub fn path(workspace: &WorkspaceRoot) -> PathBuf {
    workspace.path.join(FOLDER).join(NAME)
}

impl State {
    /// Opens the database, makes it where there is none, and brings it to this version's form.
    pub fn open(workspace: &WorkspaceRoot, patience: Duration) -> Result<Self, Failure> {
        let path = path(workspace);
        own(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(patience)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            // A file that somebody prepared runs nothing of its own.
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        };
        // Who turns a new file to WAL needs it for a moment alone, and SQLite itself waits for nobody there:
        // of several that come first all but one would fail.
        let connection = in_a_gap(patience, open).map_err(|error| cannot("open", &path, &error))?;
        let mut state = Self { connection, path, patience };
        state.migrate()?;
        Ok(state)
    }

    /// Opens the database where there is one: to look makes no file.
    pub fn find(workspace: &WorkspaceRoot, patience: Duration) -> Result<Option<Self>, Failure> {
        let path = path(workspace);
        match fs::symlink_metadata(&path) {
            Ok(_) => Self::open(workspace, patience).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("open", &path, &error)),
        }
    }

    /// One change, all or nothing. The lock is taken at once, so that what was read stays true.
    pub fn change<T>(
        &mut self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        self.connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        let transaction = begin(&self.connection, self.patience).map_err(failed)?;
        transaction.busy_timeout(self.patience).map_err(failed)?;
        let result = act(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Reads; an error says which file.
    pub fn read<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        act(&self.connection).map_err(|error| cannot("read", &self.path, &error))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn migrate(&mut self) -> Result<(), Failure> {
        let path = self.path.clone();
        let version = |connection: &Connection| {
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        };
        let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if self.read(version)? == newest {
            return Ok(());
        }
        self.change(|change| {
            let failed = |error: rusqlite::Error| cannot("bring up to date", &path, &error);
            let known = version(change).map_err(failed)?;
            if known > newest {
                let what = format!("{} was made by a newer jail (form {known})", path.display());
                return Err(Failure::new(Kind::Io, what).hint("use that version of jail"));
            }
            for step in MIGRATIONS.iter().skip(usize::try_from(known).unwrap_or_default()) {
                change.execute_batch(step).map_err(failed)?;
            }
            change.pragma_update(None, "user_version", newest).map_err(failed)
        })
    }
}

/// Takes the write lock. SQLite's own waiting sleeps longer and longer, up to a tenth of a second: among many
/// writers one can then miss every gap between two others.
fn begin(connection: &Connection, patience: Duration) -> rusqlite::Result<Transaction<'_>> {
    // Not nested: `change` has the only way to a transaction, and holds the connection meanwhile.
    in_a_gap(patience, || Transaction::new_unchecked(connection, TransactionBehavior::Immediate))
}

/// Tries again while another one is at it; no try begins later than this.
fn in_a_gap<T>(patience: Duration, act: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let end = Instant::now() + patience;
    let busy = |error: &rusqlite::Error| {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    };
    loop {
        match act() {
            Err(error) if busy(&error) && Instant::now() < end => std::thread::sleep(GAP),
            done => return done,
        }
    }
}

/// Makes the file, for its owner alone; what is there already has to be a file of ours that nobody else can
/// write.
fn own(path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| cannot("open", path, &error);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let facts = fs::symlink_metadata(path).map_err(failed)?;
    let wrong = if !facts.is_file() {
        "it is no file"
    } else if facts.uid() != nix::unistd::geteuid().as_raw() {
        "it belongs to another user"
    } else if facts.mode() & 0o077 != 0 {
        "others may read or write it"
    } else {
        return Ok(());
    };
    Err(Failure::new(Kind::Refused, format!("{} is not used", path.display()))
        .because(wrong)
        .hint(format!("chmod 600 {0}, or move it away", path.display())))
}

/// A failure of the database, in the words that a person is told.
pub(crate) fn cannot(verb: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Io, format!("cannot {verb} {}", path.display())).because(error)
}

#[cfg(test)]
mod tests;
