//! Files that people write and jail edits (`.cloned/policy/*.yaml`, `.cloned/ports.yaml`): changed by
//! the line, so that comments and order stay, and each all or nothing.

use crate::failure::{Failure, Kind};
use crate::policy::load;
use std::io;
use std::path::Path;

/// The bytes of such a file; `None` where there is none. A link is refused: an edit would put a file in
/// its place.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let facts = match std::fs::symlink_metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(load::cannot_read(path, &error)),
    };
    if facts.is_symlink() {
        let what = format!("{} is a symbolic link", path.display());
        return Err(Failure::new(Kind::Policy, what)
            .because(
                "an edit would put a file in its place, and no change of the file behind it \
                      would reach jails that run",
            )
            .hint("put the file itself there, or make the folder the link"));
    }
    load::read(path)
}

/// True for a file of comments alone.
pub(crate) fn says_nothing(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim_start).all(|line| line.is_empty() || line.starts_with('#'))
}
