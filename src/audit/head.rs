//! The small file beside the log that knows where its end is.

use super::error::AuditError;
use super::files::Folder;
use super::record::Link;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The head of a log that no record was written to; one that is no head reads the same, since it
/// vouches for as little.
pub(super) const NONE: Link = Link::START;

/// A head is one line of about 90 bytes.
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

/// Replaces the head. The caller holds the lock of the log, so the name of the new file is free:
/// whoever made one before was killed and left it.
pub(super) fn replace(folder: &Folder, name: &Path, link: Link) -> Result<(), AuditError> {
    let fresh = name.with_extension("head.new");
    let path = folder.path_of(&fresh);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let Some(mut file) = folder.file(&fresh, flags)? else {
        return Err(AuditError::io("make", &path, std::io::ErrorKind::NotFound.into()));
    };
    let mut line = serde_json::to_vec(&link).map_err(AuditError::Encode)?;
    line.push(b'\n');
    file.write_all(&line).map_err(|source| AuditError::io("write", &path, source))?;
    folder.rename(&fresh, name).map_err(|source| AuditError::io("replace", &path, source))
}
