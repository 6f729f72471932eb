//! The controlling terminal.

use super::{Call, SysResult, check};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes a terminal the controlling one of this (fresh) session. man: ioctl_tty(2)
pub fn take_controlling(terminal: BorrowedFd<'_>) -> SysResult<()> {
    // WHY: nix has no TIOCSCTTY.
    // SAFETY: the argument 0 asks not to steal it from another session.
    let returned = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    check(Call::Tiocsctty, returned.into()).map(drop)
}
