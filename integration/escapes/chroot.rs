//! chroot, the classic way out of a chroot.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "chroot",
    about: "chroot(/tmp)",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| judge(syscall!(libc::SYS_chroot, c"/tmp".as_ptr())),
    ..Attack::BASE
};
