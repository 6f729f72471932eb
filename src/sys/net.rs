//! The loopback interface of a fresh network namespace.

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
