//! After a run: puts aside what the connector made where it would act later, outside the jail.
//!
//! Places that existed were read-only all along. One that did not exist cannot be mounted over; should
//! the connector have made it, it is renamed, so that no shell, editor or git finds it.

use crate::plan::{MountStep, Plan};
use crate::planted::{Control, broken};
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, open, renameat2};
use nix::sys::stat::Mode;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What was found and where it is now; `Err` text where it could not be moved.
pub(super) struct Quarantined {
    pub from: PathBuf,
    pub to: Result<PathBuf, String>,
}

/// Looks at every protected place that did not exist when the plan was made.
pub(super) fn after(plan: &Plan) -> Vec<Quarantined> {
    let mut moved = Vec::new();
    if broken(Control::Quarantine) {
        return moved;
    }
    for place in plan.protections.iter().filter(|place| !place.existed) {
        // Looked at one by one: what lay in a folder that was just moved is gone with it.
        let from = place.path();
        if from.symlink_metadata().is_ok() {
            let to = put_aside(&place.folder, place.name, &plan.run_id);
            moved.push(Quarantined { from, to });
        }
    }
    moved
}

/// Places that were read-only, but that somebody on the host replaced during the run: the mount over
/// a file goes with the file (a lazy detach), and the connector may have written the new one.
pub(super) fn replaced(plan: &Plan) -> Vec<PathBuf> {
    plan.mounts
        .iter()
        .filter_map(|step| match step {
            MountStep::Bind(bind) if bind.why.starts_with("protected") => Some(bind),
            _ => None,
        })
        .filter(|bind| {
            std::fs::symlink_metadata(&bind.host).ok().is_none_or(|now| {
                (now.dev(), now.ino()) != (bind.identity.device, bind.identity.inode)
            })
        })
        .map(|bind| bind.host.clone())
        .collect()
}

/// Within the folder, by descriptor, replacing nothing: a link that the connector left is moved as a link.
fn put_aside(folder: &Path, name: &str, run_id: &str) -> Result<PathBuf, String> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let (parent, name) = match name.rsplit_once('/') {
        Some((dir, name)) => (folder.join(dir), name),
        None => (folder.to_path_buf(), name),
    };
    let dir = open(&parent, flags, Mode::empty()).map_err(text)?;
    let mut id = run_id.to_owned();
    for _ in 0..8 {
        let to = format!("{name}.jail-quarantine-{id}");
        match renameat2(&dir, name, &dir, to.as_str(), RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => return Ok(parent.join(to)),
            // The connector may have learnt the run's number, and taken the name.
            Err(Errno::EEXIST) => id = crate::audit::RunId::fresh().as_str().to_owned(),
            // It may have taken the right to write from the folder; the owner can take it back.
            Err(Errno::EACCES) => give_back(&parent)?,
            Err(errno) => return Err(text(errno)),
        }
    }
    Err("its new name is taken again and again".to_owned())
}

fn give_back(folder: &Path) -> Result<(), String> {
    let before = std::fs::symlink_metadata(folder).map_err(|e| e.to_string())?.permissions();
    let open = std::fs::Permissions::from_mode(before.mode() | 0o700);
    std::fs::set_permissions(folder, open).map_err(|e| e.to_string())
}

fn text(errno: Errno) -> String {
    errno.desc().to_owned()
}
