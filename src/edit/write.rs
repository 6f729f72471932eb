//! One writer at a time, and each file all or nothing.
//!
//! The new text goes to a file beside the old one, to the disk, and then takes its name: a reader, and a
//! machine that loses power, find the old text or the new one. Writers take turns by a lock on a file of
//! the folder and read again once they have it. Editors take no lock; what they save between our reading
//! and our writing is noticed, and the edit starts again.

use super::lines::Lines;
use crate::failure::{Failure, Kind};
use crate::policy::Problem;
use crate::policy::yaml::Marks;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An editor that saves all the time is not waited for longer.
const ATTEMPTS: usize = 20;

/// Files that are edited in one way.
pub(crate) struct Sort {
    /// What they are called: `the firewall's files`.
    pub(crate) name: &'static str,
    /// The file of their folder that writers lock.
    pub(crate) lock: &'static str,
    /// What a killed writer leaves behind starts so; the next one takes it away.
    pub(crate) unfinished: &'static str,
    /// The comment that a new file starts with.
    pub(crate) head: &'static str,
    /// How a file has to be laid out to be edited.
    pub(crate) advice: &'static str,
}

/// Edits the lines, whose marks and meaning are given; there are no marks where the file says nothing
/// yet. `None`: it does not understand the layout.
pub(crate) type Edit<'a, T> = &'a mut dyn FnMut(&mut Lines, Option<&Marks<'_>>, &T) -> Option<()>;
/// Compares what the file said with what it would say.
pub(crate) type Right<'a, T> = &'a dyn Fn(&T, &T) -> Option<()>;
/// Reads bytes as such a file.
pub(crate) type Decode<'a, T> = &'a dyn Fn(&[u8]) -> Result<T, Vec<Problem>>;

impl Sort {
    /// Tries until the file did not change under the edit.
    pub(crate) fn until_still(
        &self,
        mut edit: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            if edit()? {
                return Ok(());
            }
        }
        Err(Failure::new(Kind::Io, format!("{} change all the time", self.name))
            .because("another program writes them without pause"))
    }

    /// Edits one file, if the new text says what is `right`. False where somebody else changed the file
    /// meanwhile, and nothing was written. The caller holds the lock.
    pub(crate) fn change<T>(
        &self,
        path: &Path,
        decode: Decode<'_, T>,
        edit: Edit<'_, T>,
        right: Right<'_, T>,
    ) -> Result<bool, Failure> {
        let facts = match fs::symlink_metadata(path) {
            Ok(facts) => Some(facts),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(crate::policy::load::cannot_read(path, &error)),
        };
        let bytes = super::read(path)?.unwrap_or_default();
        let wrong = |problems: Vec<Problem>| crate::policy::problem::failure(&problems);
        let before = decode(&bytes).map_err(wrong)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = Lines::new(&text);
        let edited = if super::says_nothing(&text) {
            lines.begin(self.head);
            edit(&mut lines, None, &before)
        } else {
            let marks = Marks::of(path, &text).map_err(|problem| wrong(vec![problem]))?;
            edit(&mut lines, Some(&marks), &before)
        };
        let text = lines.text();
        // The list is full, or the file too large.
        let full = |problem: &Problem| {
            [" at most ", " larger than "].iter().any(|it| problem.what.contains(it))
        };
        match (edited, decode(text.as_bytes())) {
            (Some(()), Ok(after)) if right(&before, &after).is_some() => {
                self.replace(path, facts.as_ref(), &text)
            }
            (Some(()), Err(problems)) if problems.iter().any(full) => Err(wrong(problems)),
            _ => {
                let what = format!("cannot edit {} safely; nothing was changed", path.display());
                Err(Failure::new(Kind::Policy, what)
                    .because("its layout is not the one that jail writes")
                    .hint(format!("{}; or edit it by hand", self.advice)))
            }
        }
    }

    /// Puts `text` in the place of the file that `old` describes. False where it is another by now.
    pub(crate) fn replace(
        &self,
        path: &Path,
        old: Option<&Metadata>,
        text: &str,
    ) -> Result<bool, Failure> {
        let cannot = |error: io::Error| {
            Failure::new(Kind::Io, format!("cannot write {}", path.display())).because(error)
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut mode = old.map_or(0o644, |old| old.mode() & 0o7777);
        let mut new = tempfile::Builder::new()
            .prefix(self.unfinished)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .map_err(cannot)?;
        new.write_all(text.as_bytes()).map_err(cannot)?;
        let made = new.as_file().metadata().map_err(cannot)?;
        if let Some(old) = old.filter(|old| old.uid() != made.uid()) {
            std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), None)
                .map_err(|error| cannot(error).hint("the file belongs to somebody else"))?;
        }
        if let Some(old) = old.filter(|old| old.gid() != made.gid())
            && let Err(error) = std::os::unix::fs::fchown(new.as_file(), None, Some(old.gid()))
        {
            // A group that its owner is not in: ours gets what everybody has, and no more.
            if error.kind() != io::ErrorKind::PermissionDenied {
                return Err(cannot(error));
            }
            mode = (mode & !0o2070) | ((mode & 0o007) << 3);
        }
        // After fchown, which may clear bits.
        new.as_file().set_permissions(Permissions::from_mode(mode)).map_err(cannot)?;
        new.as_file().sync_all().map_err(cannot)?;
        let now = match fs::symlink_metadata(path) {
            Ok(now) => Some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot(error)),
        };
        if old.map(version) != now.as_ref().map(version) {
            return Ok(false);
        }
        new.persist(path).map_err(|error| cannot(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)?;
        Ok(true)
    }

    /// Makes the folder where it is missing, waits for our turn, and clears up after killed writers.
    pub(crate) fn lock(&self, path: &Path) -> Result<Flock<File>, Failure> {
        let cannot = |what: &str, path: &Path, error: io::Error| {
            Failure::new(Kind::Io, format!("cannot {what} {}", path.display())).because(error)
        };
        match fs::DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("make", path, error)),
        }
        let name = path.join(self.lock);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o644)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&name)
            // That of another user, root's after sudo: flock(2) needs no right to write.
            .or_else(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => File::options()
                    .read(true)
                    .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
                    .open(&name),
                _ => Err(error),
            })
            .map_err(|error| cannot("open", &name, error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| cannot("lock", &name, errno.into()))?;
        for left in
            unfinished(path, self.unfinished).map_err(|error| cannot("read", path, error))?
        {
            fs::remove_file(&left).map_err(|error| cannot("remove", &left, error))?;
        }
        Ok(lock)
    }
}

/// What differs between two versions of a file.
fn version(facts: &Metadata) -> (u64, u64, u64, i64, i64) {
    (facts.dev(), facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec())
}

fn unfinished(folder: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
