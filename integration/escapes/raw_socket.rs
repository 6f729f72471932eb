//! Opens raw sockets: forged packets, ICMP tunnels.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "raw_socket",
    about: "socket(AF_INET, SOCK_RAW)",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let raw = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
        judge(raw.or_else(|_| syscall!(libc::SYS_socket, libc::AF_INET6, libc::SOCK_RAW, 58)))
    },
    ..Attack::BASE
};
