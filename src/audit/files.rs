//! Opening the folder and the files of the log, and refusing those that others can change.

use super::error::AuditError;
use crate::host::group;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::geteuid;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder of a log: opened once, so that a rename of it cannot lead us elsewhere.
#[derive(Debug)]
pub(super) struct Folder {
    fd: File,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, making it (and those above) for us alone where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| AuditError::io("make", path, source))?;
        // O_NOFOLLOW: a folder of a repository can be a link that its author chose.
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match open(path, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            // With O_DIRECTORY the kernel says ENOTDIR, not ELOOP, of a link.
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                return Err(AuditError::Symlink { path: path.to_owned() });
            }
            Err(errno) => return Err(AuditError::io("open", path, errno.into())),
        };
        check(&fd, path, SFlag::S_IFDIR)?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(super) fn path_of(&self, name: &Path) -> PathBuf {
        self.path.join(name)
    }

    /// Opens `name` in it with `flags`; a file that is made is for us alone (0600). `None` where it
    /// does not exist and is not to be made.
    pub(super) fn file(&self, name: &Path, flags: OFlag) -> Result<Option<File>, AuditError> {
        let path = self.path_of(name);
        // O_NONBLOCK: a FIFO in its place must not hang us; it means nothing for files.
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = match openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(AuditError::Symlink { path }),
            Err(errno) => return Err(AuditError::io("open", &path, errno.into())),
        };
        check(&file, &path, SFlag::S_IFREG)?;
        Ok(Some(file))
    }

    /// True where `name` still names the open `file`.
    pub(super) fn still_names(&self, name: &Path, file: &File) -> io::Result<bool> {
        let held = fstat(file)?;
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Ours, of the right sort, and written by nobody else. A log that others can write proves nothing,
/// and in a folder that others can write it can be swapped.
fn check(file: impl AsFd, path: &Path, sort: SFlag) -> Result<(), AuditError> {
    let stat: FileStat =
        fstat(&file).map_err(|errno| AuditError::io("look at", path, errno.into()))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != sort {
        let wanted = if sort == SFlag::S_IFDIR { "folder" } else { "regular file" };
        return Err(AuditError::NotA { path: path.to_owned(), wanted });
    }
    let uid = geteuid().as_raw();
    if stat.st_uid != uid {
        return Err(AuditError::Owner { path: path.to_owned(), owner: stat.st_uid, uid });
    }
    let mode = stat.st_mode & 0o7777;
    if group::others_can_write(&file, mode, stat.st_gid) {
        return Err(AuditError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}
