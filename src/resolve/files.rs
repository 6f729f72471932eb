//! Reads files that anybody may have made: never a pipe that blocks, never more than a cap.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Enough for any settings file that is looked at; what is longer is none.
const TEXT_CAP: usize = 64 * 1024;

/// Opens a regular file. Anything else is an error, and cannot make the caller wait.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// The first bytes of a file.
pub(super) fn head(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(cap.min(4096));
    open(path)?.take(u64::try_from(cap).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A small text file; nothing where it is absent, too large or not UTF-8.
pub(super) fn text(path: &Path) -> Option<String> {
    let bytes = head(path, TEXT_CAP + 1).ok()?;
    (bytes.len() <= TEXT_CAP).then(|| String::from_utf8(bytes).ok()).flatten()
}

/// May this file be executed by us?
pub(super) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file())
        && nix::unistd::eaccess(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Is this a regular file itself, not a link that leads to one? Bound as a file, a link would show
/// whatever it leads to.
pub(super) fn is_plain(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}
