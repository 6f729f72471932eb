//! Opens a socket to the hypervisor, which no namespace separates.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "vsock",
    about: "socket(AF_VSOCK), in a jail that has a network",
    requires: requires![vsock],
    attack: |_| judge(syscall!(libc::SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ..BASE
};
