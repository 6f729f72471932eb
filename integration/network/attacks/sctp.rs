//! SCTP, which rules for TCP and UDP do not see.
//!
//! Stopped by: seccomp.

use super::prelude::*;

use std::os::fd::AsRawFd;

const SCTP: i32 = 132;

pub const ATTACK: Attack = Attack {
    name: "sctp",
    about: "SCTP to an unlisted host",
    requires: requires![sctp],
    attack: |_| {
        // Who does not answer is asked for minutes; one packet is enough.
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, kind, SCTP);
        let fd = match socket.map(kit::owned) {
            Ok(fd) => fd,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        let to = client::sockaddr(OTHER, 80);
        let size = size_of::<libc::sockaddr_in>();
        drop(syscall!(libc::SYS_connect, fd.as_raw_fd(), &raw const to, size));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
