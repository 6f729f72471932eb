//! Enters the kernel by `int 0x80`, where the numbers are other ones.
//!
//! Stopped by: seccomp knows the architecture of each call.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "int80",
    about: "a 32-bit system call",
    requires: requires![ia32],
    attack: |_| match kit::child_status(|| i32::from(!kit::int80_works())) {
        Some(0) => Verdict::Escaped("the call worked".into()),
        Some(_) => Verdict::Refused("the call failed".into()),
        None => Verdict::Refused("the process was killed".into()),
    },
    ..Attack::BASE
};
