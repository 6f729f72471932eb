//! Forges the first packet of a connection, so that no connect(2) is seen.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "raw_tcp",
    about: "a SYN made by hand",
    setup: with_capabilities,
    attack: |_| {
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP);
        judge(socket.map(kit::owned).and_then(|fd| {
            let mut syn = [0u8; 20];
            syn[2..4].copy_from_slice(&80u16.to_be_bytes());
            syn[12] = 5 << 4;
            syn[13] = 2;
            let to = client::sockaddr(OTHER, 0);
            let size = size_of::<libc::sockaddr_in>();
            syscall!(libc::SYS_sendto, fd.as_raw_fd(), syn.as_ptr(), 20, 0, &raw const to, size)
        }))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
