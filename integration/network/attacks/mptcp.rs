//! Multipath TCP, which Landlock does not look at (landlock-lsm/linux #54).
//!
//! Stopped by: seccomp, the transparent door.

use super::prelude::*;

use std::os::fd::AsRawFd;

const MPTCP: i32 = 262;

pub const ATTACK: Attack = Attack {
    name: "mptcp",
    about: "MPTCP to an unlisted host",
    requires: requires![mptcp],
    attack: |_| {
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, MPTCP);
        judge_reply(socket.map(kit::owned).and_then(|fd| {
            let to = client::sockaddr(OTHER, 80);
            let size = size_of::<libc::sockaddr_in>();
            syscall!(libc::SYS_connect, fd.as_raw_fd(), &raw const to, size)?;
            client::exchange(TcpStream::from(fd), &client::get("x"))
        }))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
