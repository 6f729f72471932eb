//! Makes a BPF map.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "bpf",
    about: "bpf(BPF_MAP_CREATE)",
    requires: requires![root],
    attack: |_| {
        let mut attr = [0u32; 32];
        // An array of one u32.
        attr[..4].copy_from_slice(&[2, 4, 4, 1]);
        judge(syscall!(libc::SYS_bpf, 0, attr.as_ptr(), size_of_val(&attr)))
    },
    ..Attack::BASE
};
