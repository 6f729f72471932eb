//! Changes the mode of a device node. Where root runs jail, the nodes of /dev are its connector's own,
//! and they are the host's: `chmod 0 /dev/null` would stop the machine.
//!
//! Stopped by: read-only mounts of the nodes, which does not keep anybody from using them.

use super::prelude::*;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

/// The node's mode when it is not as usual; puts it right.
pub(super) fn changed(path: &str) -> Option<String> {
    let meta = fs::metadata(path).expect("the node");
    assert!(meta.file_type().is_char_device());
    let mode = meta.permissions().mode() & 0o777;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("to put it right");
    (mode != 0o666).then(|| format!("{path} has mode {mode:o}"))
}

pub const ATTACK: Attack = Attack {
    name: "device_modes",
    about: "chmod /dev/full",
    requires: requires![root],
    // A harmless change of the least used node.
    attack: |_| judge(fs::set_permissions("/dev/full", fs::Permissions::from_mode(0o667))),
    effect: Some(|_, _| changed("/dev/full")),
    ..Attack::BASE
};
