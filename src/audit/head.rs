//! The small file beside the log that knows where its end is.

use super::error::AuditError;
use super::files::Folder;
use super::record::Link;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The head of a log that no record was written to; one that is no head reads the same, since it
/// vouches for as little.
pub(super) const NONE: Link = Link::START;

/// Bytes of a head: one line of about 90, filled up with blanks.
const SIZE: usize = 128;
const MAX_HEAD: u64 = 512;

/// `audit.log` → `audit.head`.
pub(super) fn name_for(log: &Path) -> PathBuf {
    log.with_extension("head")
}

/// Reads the head; [`NONE`] where there is none or it cannot be understood.
pub(super) fn read(folder: &Folder, name: &Path) -> Result<Link, AuditError> {
    let Some(file) = folder.file(name, OFlag::O_RDONLY)? else { return Ok(NONE) };
    parse(file).map_err(|source| AuditError::io("read", &folder.path_of(name), source))
}

/// Reads a head from an open file; [`NONE`] where it cannot be understood.
pub(super) fn parse(file: File) -> std::io::Result<Link> {
    let mut bytes = Vec::with_capacity(128);
    file.take(MAX_HEAD).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes).unwrap_or(NONE))
}

/// Makes the room for a head where there is none yet, so that a full disk is met before the record is
/// written. The caller holds the lock of the log.
pub(super) fn prepare(folder: &Folder, name: &Path) -> Result<(), AuditError> {
    let file = open(folder, name, OFlag::O_CREAT)?;
    let failed = |source| AuditError::io("make", &folder.path_of(name), source);
    if file.metadata().map_err(failed)?.len() < SIZE as u64 {
        file.write_all_at(&[b' '; SIZE], 0).map_err(failed)?;
    }
    Ok(())
}

/// Overwrites the head in place, with one write of a fixed size: the kernel copies so few bytes whole or
/// not at all, and a rename would cost a third of a millisecond of file system journal each time.
pub(super) fn put(folder: &Folder, name: &Path, link: Link) -> Result<(), AuditError> {
    let mut line = serde_json::to_vec(&link).map_err(AuditError::Encode)?;
    line.resize(SIZE - 1, b' ');
    line.push(b'\n');
    let failed = |source| AuditError::io("write", &folder.path_of(name), source);
    open(folder, name, OFlag::empty())?.write_all_at(&line, 0).map_err(failed)
}

fn open(folder: &Folder, name: &Path, flags: OFlag) -> Result<File, AuditError> {
    folder.file(name, OFlag::O_WRONLY | flags)?.ok_or_else(|| {
        AuditError::io("open", &folder.path_of(name), std::io::ErrorKind::NotFound.into())
    })
}
