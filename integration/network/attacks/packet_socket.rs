//! Puts a whole frame on an interface, below IP.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

use std::os::fd::AsRawFd;

/// To OTHER, port 9999, UDP, from nobody.
const DATAGRAM: [u8; 28] = [
    0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 45, 33, 32, 156, 0, 1, 0x27, 0x0f, 0, 8, 0, 0,
];

pub const ATTACK: Attack = Attack {
    name: "packet_socket",
    about: "a frame on an interface",
    setup: with_capabilities,
    attack: |_| {
        let socket = syscall!(libc::SYS_socket, libc::AF_PACKET, libc::SOCK_DGRAM, 0x0008);
        judge(socket.map(kit::owned).and_then(|fd| {
            let mut last = Ok(0);
            for index in [1, 2, 3, 77] {
                let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
                to.sll_family = libc::AF_PACKET as u16;
                to.sll_protocol = 0x0800u16.to_be();
                to.sll_ifindex = index;
                to.sll_halen = 6;
                let size = size_of::<libc::sockaddr_ll>();
                let (fd, bytes) = (fd.as_raw_fd(), DATAGRAM.as_ptr());
                last = syscall!(libc::SYS_sendto, fd, bytes, 28, 0, &raw const to, size).or(last);
            }
            last
        }))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
