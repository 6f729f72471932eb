//! Pings: the data of an echo request carries out what one likes.
//!
//! Stopped by: ping_group_range of the jail, the proxy namespace.

use super::prelude::*;

use std::os::fd::AsRawFd;

/// One echo request from a socket of this kind.
pub(super) fn ping(kind: libc::c_int) -> io::Result<i64> {
    let fd = kit::owned(syscall!(libc::SYS_socket, libc::AF_INET, kind, libc::IPPROTO_ICMP)?);
    let to = client::sockaddr(OTHER, 0);
    // Type 8, its checksum, and no data.
    let request = [8u8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    let size = size_of::<libc::sockaddr_in>();
    syscall!(libc::SYS_sendto, fd.as_raw_fd(), request.as_ptr(), request.len(), 0, &raw const to, size)
}

pub const ATTACK: Attack = Attack {
    name: "icmp_ping",
    about: "an echo request to an unlisted host",
    attack: |_| match ping(libc::SOCK_DGRAM) {
        Ok(_) => Verdict::Tried("sent".into()),
        Err(error) => Verdict::Refused(error.to_string()),
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
