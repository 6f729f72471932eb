//! Marks packets for another routing table, or sends from an address that is not its own.
//!
//! Stopped by: no capabilities in the network namespace.

use super::prelude::*;

use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "so_mark",
    about: "SO_MARK and IP_TRANSPARENT",
    setup: with_capabilities,
    attack: |env| {
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
        let fd = kit::owned(socket.expect("a socket"));
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        let one: libc::c_int = 1;
        let options = [
            ("SO_MARK", libc::SOL_SOCKET, libc::SO_MARK),
            ("IP_TRANSPARENT", libc::IPPROTO_IP, libc::IP_TRANSPARENT),
        ];
        for (name, level, option) in options {
            match syscall!(libc::SYS_setsockopt, fd.as_raw_fd(), level, option, &raw const one, 4) {
                Ok(_) => opened.push(name.to_owned()),
                Err(error) => closed.push(format!("{name}: {error}")),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    ..BASE
};
