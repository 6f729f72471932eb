//! Turns off address randomisation for what it starts.
//!
//! Stopped by: seccomp allows the harmless personalities only.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "personality",
    about: "personality(ADDR_NO_RANDOMIZE)",
    attack: |_| judge(syscall!(libc::SYS_personality, 0x0004_0000)),
    ..Attack::BASE
};
