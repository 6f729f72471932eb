//! Ties a socket to an interface, past the routing table.
//!
//! Stopped by: the network namespace: the one interface leads to the proxy.

use super::prelude::*;

use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "bind_to_device",
    about: "SO_BINDTODEVICE, then an unlisted host",
    attack: |_| {
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
        judge_reply(socket.map(kit::owned).and_then(|fd| {
            let device = c"eth0";
            let (level, option) = (libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
            let length = device.count_bytes();
            syscall!(libc::SYS_setsockopt, fd.as_raw_fd(), level, option, device.as_ptr(), length)?;
            let to = client::sockaddr(OTHER, 80);
            let size = size_of::<libc::sockaddr_in>();
            syscall!(libc::SYS_connect, fd.as_raw_fd(), &raw const to, size)?;
            client::exchange(TcpStream::from(fd), &client::get("x"))
        }))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
