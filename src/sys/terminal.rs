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

/// The size of a terminal's window; `None` for what is no terminal. man: TIOCGWINSZ(2const)
pub fn size(terminal: BorrowedFd<'_>) -> Option<libc::winsize> {
    // SAFETY: all-zero is a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // WHY: nix has no TIOCGWINSZ.
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer.
    let returned = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (returned == 0).then_some(size)
}

/// Sets it; cosmetic, so that a failure is nobody's business. man: TIOCSWINSZ(2const)
pub fn set_size(terminal: BorrowedFd<'_>, size: &libc::winsize) {
    // WHY: nix has no TIOCSWINSZ.
    // SAFETY: TIOCSWINSZ reads one winsize from the pointer.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const *size) };
}
