//! Compares kernel pointers of two processes, which gives away their order.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kcmp",
    about: "kcmp",
    attack: |_| judge(syscall!(libc::SYS_kcmp, std::process::id(), std::process::id(), 0, 0, 0)),
    ..Attack::BASE
};
