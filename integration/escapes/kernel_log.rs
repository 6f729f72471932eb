//! Reads the kernel's log.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kernel_log",
    about: "syslog(READ_ALL), /dev/kmsg",
    requires: requires![root],
    attack: |_| {
        let mut text = [0u8; 256];
        judge(syscall!(libc::SYS_syslog, 3, text.as_mut_ptr(), text.len()).or_else(|error| {
            fs::File::open("/dev/kmsg").map(|_| 0).map_err(|_| error)
        }))
    },
    ..Attack::BASE
};
