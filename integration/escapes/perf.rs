//! Opens a performance counter of itself.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "perf",
    about: "perf_event_open",
    requires: requires![perf],
    attack: |_| {
        let mut attr = [0u8; 128];
        attr[..4].copy_from_slice(&1u32.to_ne_bytes());
        attr[4..8].copy_from_slice(&128u32.to_ne_bytes());
        // Not the kernel, not the hypervisor.
        attr[40] = 0b0110_0001;
        judge(syscall!(libc::SYS_perf_event_open, attr.as_ptr(), 0, -1i64, -1i64, 0))
    },
    ..Attack::BASE
};
