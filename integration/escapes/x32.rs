//! Uses the x32 numbers, which are the usual ones with bit 30 set.
//!
//! Stopped by: seccomp refuses bit 30.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "x32",
    about: "an x32 system call",
    requires: requires![x32],
    attack: |_| judge(syscall!(0x4000_0000 | libc::SYS_getpid)),
    ..Attack::BASE
};
