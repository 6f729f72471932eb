//! Reading and writing cgroup files, each failure with its path.

use super::CgroupError;
use super::parse::{self, Controllers};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) fn read(what: &str, path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(|e| CgroupError::io(what, "read", path, &e))
}

/// One write(2): the kernel takes a value whole or not at all. Never creates the file.
pub(super) fn write(what: &str, path: &Path, value: &str) -> Result<(), CgroupError> {
    let fail = |op| move |e: std::io::Error| CgroupError::io(what, op, path, &e);
    let mut file =
        OpenOptions::new().write(true).truncate(true).open(path).map_err(fail("open"))?;
    file.write_all(value.as_bytes()).map_err(fail("write"))
}

/// mkdir(2) of a group that its owner can enter, whatever the user's umask takes from new folders: that
/// holds in this file system, too, and an ordinary user is not above it. A group that another run swept
/// meanwhile is found missing by whoever uses it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    match fs::set_permissions(path, fs::Permissions::from_mode(0o755)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The controllers that `dir` could give to its children.
pub(super) fn available(dir: &Path) -> Controllers {
    fs::read_to_string(dir.join("cgroup.controllers"))
        .map(|text| parse::controllers(&text))
        .unwrap_or_default()
}

/// Gives `needs` to the children of `dir`, and makes sure by reading.
pub(super) fn enable(dir: &Path, needs: &Controllers) -> Result<(), CgroupError> {
    let file = dir.join("cgroup.subtree_control");
    let what = format!("give the {} controllers to a new cgroup", parse::listed(needs));
    let missing = |text: &str| -> Controllers { needs - &parse::controllers(text) };
    // Reading first: usually all is set, and a write would fail with EBUSY for no reason where
    // processes sit beside a leaf of a parent that we may not change.
    let lacking = missing(&read(&what, &file)?);
    if lacking.is_empty() {
        return Ok(());
    }
    let request = lacking.iter().map(|c| format!("+{c}")).collect::<Vec<_>>().join(" ");
    write(&what, &file, &request)?;
    let lacking = missing(&read(&what, &file)?);
    if lacking.is_empty() {
        return Ok(());
    }
    let still = format!("still missing after the write: {}", parse::listed(&lacking));
    Err(CgroupError::new(what, "read back", &file).detail(still))
}
