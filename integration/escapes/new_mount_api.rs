//! The newer doors to the same: fsopen, open_tree, mount_setattr.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "new_mount_api",
    about: "fsopen(tmpfs), open_tree(CLONE)",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let open = syscall!(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0);
        judge(open.or_else(|_| syscall!(libc::SYS_open_tree, libc::AT_FDCWD, c"/tmp".as_ptr(), 1)))
    },
    ..Attack::BASE
};
