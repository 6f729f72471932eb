//! Asks for uid 0 and for every capability.
//!
//! Stopped by: no uid 0 is mapped, every capability set is empty, the bounding set too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "become_root",
    about: "setresuid(0, 0, 0) and capset(everything)",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let header = [0x2008_0522u32, 0];
        let mut data = [0u32; 6];
        // CAP_SYS_ADMIN, effective and permitted.
        (data[0], data[1]) = (1 << 21, 1 << 21);
        let uid = syscall!(libc::SYS_setresuid, 0, 0, 0);
        judge(uid.or_else(|_| syscall!(libc::SYS_capset, header.as_ptr(), data.as_ptr())))
    },
    ..Attack::BASE
};
