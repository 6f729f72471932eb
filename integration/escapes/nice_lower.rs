//! Takes a higher priority than everybody else.
//!
//! Stopped by: RLIMIT_NICE is 0, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "nice_lower",
    about: "setpriority(-10)",
    requires: requires![root],
    attack: |_| judge(syscall!(libc::SYS_setpriority, 0, 0, -10i32)),
    ..Attack::BASE
};
