//! UDP-Lite (protocol 136), which filters for UDP do not see.
//!
//! Stopped by: seccomp, the proxy namespace.

use super::prelude::*;

use std::os::fd::AsRawFd;

const UDP_LITE: i32 = 136;

pub const ATTACK: Attack = Attack {
    name: "udp_lite",
    about: "UDP-Lite to an unlisted host",
    requires: requires![udp_lite],
    attack: |_| {
        let fd = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, UDP_LITE).map(kit::owned);
        let fd = match fd {
            Ok(fd) => fd,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        let to = client::sockaddr(OTHER, 9999);
        let size = size_of::<libc::sockaddr_in>();
        drop(syscall!(libc::SYS_sendto, fd.as_raw_fd(), c"x".as_ptr(), 1, 0, &raw const to, size));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
