//! Makes a userfaultfd, the tool of choice for kernel races.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "userfaultfd",
    about: "userfaultfd(UFFD_USER_MODE_ONLY)",
    attack: |_| judge(syscall!(libc::SYS_userfaultfd, 1)),
    ..Attack::BASE
};
