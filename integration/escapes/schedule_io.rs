//! Asks for real-time disk priority.
//!
//! Stopped by: no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "schedule_io",
    about: "ioprio_set(IOPRIO_CLASS_RT)",
    requires: requires![root],
    attack: |_| judge(syscall!(libc::SYS_ioprio_set, 1, 0, 1 << 13)),
    ..Attack::BASE
};
