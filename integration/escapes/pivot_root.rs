//! Changes the root of its mount namespace.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "pivot_root",
    about: "pivot_root into a tmpfs",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let none = std::ptr::null::<u8>();
        let dot = c".".as_ptr();
        let _ = syscall!(libc::SYS_mount, none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none);
        let _ = syscall!(libc::SYS_mount, c"x".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, none);
        let _ = std::env::set_current_dir("/tmp");
        judge(syscall!(libc::SYS_pivot_root, dot, dot))
    },
    ..Attack::BASE
};
