//! The folder of a run without a mount namespace: its HOME, its TMPDIR, its workspace.
//!
//! It is on the host's disk and gone when the run ends. Its owner holds a lock on it, which dies with the
//! process: what nobody holds was left by a supervisor that was killed, and the next run removes it.

use crate::failure::{Failure, Kind};
use crate::plan::{HostView, Stage};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Another run may take an unlocked folder for an orphan; then it is made again.
const TRIES: usize = 20;

/// A run's own folder. Dropping it removes it.
pub(super) struct Folder {
    path: PathBuf,
    lock: Option<Flock<File>>,
}

impl Folder {
    /// Removes what killed runs left, and makes this run's.
    pub(super) fn make(view: &HostView) -> Result<Self, Failure> {
        let folder = Self::bare(&view.runs, &view.folder)?;
        fill(view).map_err(|error| cannot(&view.folder, &error))?;
        Ok(folder)
    }

    /// An empty one below the folder of all runs.
    pub(super) fn bare(runs: &Path, path: &Path) -> Result<Self, Failure> {
        private(runs, true).map_err(|error| cannot(runs, &error))?;
        sweep(runs);
        for _ in 0..TRIES {
            private(path, false).map_err(|error| cannot(path, &error))?;
            if let Some(lock) = lock(path).map_err(|error| cannot(path, &error))? {
                return Ok(Self { path: path.to_owned(), lock: Some(lock) });
            }
        }
        Err(cannot(path, &io::Error::from(Errno::EBUSY)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it now, and tells where that fails.
    pub(super) fn remove(mut self) -> Result<(), Failure> {
        let removed = empty(&self.path).and_then(|()| fs::remove_dir(&self.path));
        self.lock = None;
        removed.map_err(|error| {
            let path = self.path.display();
            Failure::new(Kind::Io, format!("cannot remove the run's folder {path}")).because(error)
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Already on the way out with a failure; the next run's sweep tries again.
            drop(empty(&self.path).and_then(|()| fs::remove_dir(&self.path)));
        }
    }
}

fn fill(view: &HostView) -> io::Result<()> {
    for folder in [view.home(), view.tmp(), view.workspace()] {
        private(&folder, false)?;
    }
    let canary = fs::OpenOptions::new().write(true).create_new(true).open(view.canary());
    canary?.write_all(b"The proof tries to read, empty and link this.\n")
}

/// A folder that nobody else can enter.
fn private(path: &Path, above: bool) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(above).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let found = fs::symlink_metadata(path)?;
    let ours = found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw();
    if ours && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(io::Error::other("it is not a folder of yours that only you can write to"))
    }
}

/// The lock of an existing folder; `None` where somebody else has it, or it is gone.
fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dir = match open(path, flags, Mode::empty()) {
        Ok(dir) => File::from(dir),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let lock = match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
        Err((_, errno)) => return Err(errno.into()),
    };
    // Somebody who had the lock before may have removed it.
    let (held, named) = (lock.metadata()?, fs::symlink_metadata(path));
    Ok(named
        .is_ok_and(|named| named.ino() == held.ino() && named.dev() == held.dev())
        .then_some(lock))
}

/// Removes the folders that nobody holds. What resists stays for the next time.
fn sweep(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().as_encoded_bytes().starts_with(b"run-");
        if ours && let Ok(Some(_lock)) = lock(&path) {
            drop(empty(&path).and_then(|()| fs::remove_dir(&path)));
        }
    }
}

/// Removes all that is in a folder, however deep the connector made it: what a folder has moves up to
/// the top, so that no path gets long and no recursion deep. Links are removed, not followed.
fn empty(top: &Path) -> io::Result<()> {
    let mut moved = 0u64;
    loop {
        let mut entries = fs::read_dir(top)?.peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        for entry in entries {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
                continue;
            }
            let folder = entry.path();
            // The connector may have taken the right to look into it.
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
            for inner in fs::read_dir(&folder)? {
                let inner = inner?;
                if inner.file_type()?.is_dir() {
                    // A folder is moved only where its owner may write to it: its `..` changes.
                    fs::set_permissions(inner.path(), fs::Permissions::from_mode(0o700))?;
                    moved += 1;
                    rename_up(&inner.path(), top, &mut moved)?;
                } else {
                    fs::remove_file(inner.path())?;
                }
            }
            fs::remove_dir(&folder)?;
        }
    }
}

/// To a name at the top that is not taken: the connector may have made some that look like ours.
fn rename_up(from: &Path, top: &Path, moved: &mut u64) -> io::Result<()> {
    loop {
        let to = top.join(format!("deep-{moved}"));
        if to.symlink_metadata().is_err() {
            return fs::rename(from, to);
        }
        *moved += 1;
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let what = format!("cannot make the run's own folder {}", path.display());
    Failure::new(Kind::Refused, what).at(Stage::Mounts).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn view(runs: &Path, id: &str) -> HostView {
        HostView {
            runs: runs.into(),
            folder: runs.join(format!("run-{id}")),
            root: false,
            lost: Vec::new(),
        }
    }

    #[test]
    fn a_folder_is_removed_with_all_that_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let runs = place.path().join("jail/runs");
        let view = view(&runs, "a");
        let folder = Folder::make(&view).unwrap();
        symlink(&outside, view.home().join("link")).unwrap();
        symlink(&outside, view.folder.join("deep-1")).unwrap();
        let mut deep = view.workspace();
        for _ in 0..300 {
            deep.push("0123456789");
            fs::create_dir(&deep).unwrap();
        }
        fs::write(deep.join("file"), "x").unwrap();
        let closed = view.tmp().join("closed");
        fs::create_dir_all(closed.join("in")).unwrap();
        for path in [closed.join("in"), closed] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
        }
        folder.remove().unwrap();
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn the_next_run_removes_what_nobody_holds() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        let held = Folder::make(&view(&runs, "held")).unwrap();
        let mut killed = Folder::make(&view(&runs, "killed")).unwrap();
        fs::write(killed.path.join("home/left"), "x").unwrap();
        // As a process that was killed: the lock goes, the folder stays.
        killed.lock = None;
        drop(killed);
        assert!(runs.join("run-killed/home/left").exists());
        let next = Folder::make(&view(&runs, "next")).unwrap();
        assert!(!runs.join("run-killed").exists());
        assert!(runs.join("run-held/home").exists());
        drop((held, next));
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_others_can_write_to_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        fs::create_dir(&runs).unwrap();
        fs::set_permissions(&runs, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Folder::make(&view(&runs, "a")).is_err());
        fs::remove_dir(&runs).unwrap();
        symlink(place.path(), &runs).unwrap();
        assert!(Folder::make(&view(&runs, "a")).is_err());
    }
}
