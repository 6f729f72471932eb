//! After a run: puts aside what the connector made where it would act later, outside the jail.
//!
//! Places that existed were read-only all along. One that did not exist cannot be mounted over; should
//! the connector have made it, it is renamed, so that no shell, editor or git finds it.

use crate::plan::Plan;
use nix::fcntl::{OFlag, RenameFlags, open, renameat2};
use nix::sys::stat::Mode;
use std::path::PathBuf;

/// What was found and where it is now; `Err` text where it could not be moved.
pub(super) struct Quarantined {
    pub from: PathBuf,
    pub to: Result<PathBuf, String>,
}

/// Looks at every protected place that did not exist when the plan was made.
pub(super) fn after(plan: &Plan) -> Vec<Quarantined> {
    plan.protections
        .iter()
        .filter(|place| !place.existed && place.path().symlink_metadata().is_ok())
        .map(|place| {
            let from = place.path();
            let name = format!("{}.jail-quarantine-{}", place.name, plan.run_id);
            let to = rename(&place.folder, place.name, &name).map(|()| place.folder.join(&name));
            Quarantined { from, to }
        })
        .collect()
}

/// Within the folder, by descriptor, replacing nothing: a link that the connector left is moved as a link.
fn rename(folder: &std::path::Path, from: &str, to: &str) -> Result<(), String> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let (parent, from_name) = match from.rsplit_once('/') {
        Some((dir, name)) => (folder.join(dir), name),
        None => (folder.to_path_buf(), from),
    };
    let to_name = to.rsplit_once('/').map_or(to, |(_, name)| name);
    let dir = open(&parent, flags, Mode::empty()).map_err(|e| e.desc().to_owned())?;
    renameat2(&dir, from_name, &dir, to_name, RenameFlags::RENAME_NOREPLACE)
        .map_err(|e| e.desc().to_owned())
}
