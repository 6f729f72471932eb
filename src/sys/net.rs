//! The loopback interface of a fresh network namespace, and what nix lacks for sockets.

use super::{Call, SysResult, check};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Brings `lo` up in the namespace that the socket belongs to. man: netdevice(7)
pub fn loopback_up(socket: BorrowedFd<'_>) -> SysResult<()> {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // WHY: one ioctl where rtnetlink would need a runtime in the child.
    // SAFETY: SIOCSIFFLAGS reads one ifreq from the pointer.
    let returned =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(Call::IoctlIfFlags, returned.into()).map(drop)
}

/// Makes a TCP socket unconnected, so that it can connect again. man: connect(2), on AF_UNSPEC
pub fn disconnect(socket: BorrowedFd<'_>) -> SysResult<()> {
    // SAFETY: all-zero is a valid sockaddr, and its family is AF_UNSPEC (0).
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // WHY: nix has no address of the family AF_UNSPEC.
    // SAFETY: connect reads `length` bytes from the pointer.
    let returned = unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) };
    check(Call::Connect, returned.into()).map(drop)
}

/// Bytes that were written to a TCP socket and that the other side has not acknowledged.
pub fn unsent(socket: BorrowedFd<'_>) -> usize {
    let mut count: libc::c_int = 0;
    // WHY: nix has no SIOCOUTQ.
    // SAFETY: it writes one int to the pointer. man: tcp(7)
    let returned = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if returned == 0 { count.unsigned_abs() as usize } else { 0 }
}
