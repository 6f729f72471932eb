//! Mounts a tmpfs and binds a folder.
//!
//! Stopped by: seccomp, no capabilities, Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "mount",
    about: "mount(tmpfs) and a bind mount",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let none = std::ptr::null::<u8>();
        let tmp = c"/tmp".as_ptr();
        let tmpfs = syscall!(libc::SYS_mount, c"x".as_ptr(), tmp, c"tmpfs".as_ptr(), 0, none);
        judge(tmpfs.or_else(|_| syscall!(libc::SYS_mount, tmp, tmp, none, libc::MS_BIND, none)))
    },
    ..Attack::BASE
};
