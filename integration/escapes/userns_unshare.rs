//! Makes a user namespace by unshare(2), the door to most kernel bugs of the last years.
//!
//! Stopped by: max_user_namespaces is 0 inside, seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "userns_unshare",
    about: "unshare(CLONE_NEWUSER)",
    requires: requires![userns],
    attack: |_| judge(syscall!(libc::SYS_unshare, libc::CLONE_NEWUSER)),
    ..Attack::BASE
};
