//! Makes an SCTP socket, which Landlock does not look at (landlock-lsm/linux #40).
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "sctp",
    about: "socket(IPPROTO_SCTP)",
    requires: requires![sctp],
    attack: |_| judge(syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 132)),
    ..Attack::BASE
};
