//! Connects by sending: TCP Fast Open goes past Landlock (landlock-lsm/linux #41).
//!
//! Stopped by: seccomp, the sysctl of the jail, the proxy namespace.

use super::prelude::*;

use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "tcp_fast_open",
    about: "sendto(MSG_FASTOPEN) to an unlisted host and port",
    attack: |_| {
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
        judge_reply(socket.map(kit::owned).and_then(|fd| {
            let to = client::sockaddr(OTHER, 22);
            let (flags, size) = (libc::MSG_FASTOPEN, size_of::<libc::sockaddr_in>());
            syscall!(libc::SYS_sendto, fd.as_raw_fd(), c"x".as_ptr(), 1, flags, &raw const to, size)?;
            client::exchange(TcpStream::from(fd), &client::get("x"))
        }))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
