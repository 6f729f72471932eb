//! Makes an io_uring, whose operations go past seccomp.
//!
//! Stopped by: seccomp (ENOSYS, so that programs fall back).

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "io_uring",
    about: "io_uring_setup",
    attack: |_| {
        let mut params = [0u32; 30];
        judge(syscall!(libc::SYS_io_uring_setup, 4, params.as_mut_ptr()))
    },
    ..Attack::BASE
};
