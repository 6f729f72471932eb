//! Makes a 16-bit segment, a rich source of kernel bugs.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "modify_ldt",
    about: "modify_ldt",
    requires: requires![ia32],
    attack: |_| {
        let mut table = [0u8; 64];
        judge(syscall!(libc::SYS_modify_ldt, 0, table.as_mut_ptr(), table.len()))
    },
    ..Attack::BASE
};
