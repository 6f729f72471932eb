//! Opens the kernel's cryptography (CVE-2026-31431 and others before).
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "alg_socket",
    about: "socket(AF_ALG)",
    requires: requires![alg],
    attack: |_| judge(syscall!(libc::SYS_socket, libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    ..Attack::BASE
};
