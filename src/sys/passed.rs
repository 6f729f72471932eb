//! read(2), write(2) and poll(2) as the payload makes them under the connector's filter: with the [`Pass`].

use super::seccomp::Pass;
use nix::errno::Errno;
use nix::poll::PollFd;
use std::os::fd::{AsRawFd, BorrowedFd};

pub fn write(to: BorrowedFd<'_>, bytes: &[u8], pass: Pass) -> nix::Result<usize> {
    // WHY: no wrapper has a sixth argument.
    // SAFETY: the kernel reads at most the length of `bytes` from it. man: write(2)
    let written = unsafe {
        libc::syscall(libc::SYS_write, to.as_raw_fd(), bytes.as_ptr(), bytes.len(), 0, 0, pass.0)
    };
    Errno::result(written).map(|written| written as usize)
}

pub fn read(from: BorrowedFd<'_>, bytes: &mut [u8], pass: Pass) -> nix::Result<usize> {
    let (to, length) = (bytes.as_mut_ptr(), bytes.len());
    // WHY: as above.
    // SAFETY: the kernel writes at most the length of `bytes` to it. man: read(2)
    let read = unsafe { libc::syscall(libc::SYS_read, from.as_raw_fd(), to, length, 0, 0, pass.0) };
    Errno::result(read).map(|read| read as usize)
}

/// Without a time limit.
pub fn poll(fds: &mut [PollFd<'_>], pass: Pass) -> nix::Result<usize> {
    let (list, length, none) = (fds.as_mut_ptr(), fds.len(), std::ptr::null::<libc::c_void>());
    // WHY: as above; ppoll has five arguments.
    // SAFETY: PollFd is a transparent pollfd; the kernel writes to as many as there are. man: ppoll(2)
    let ready = unsafe { libc::syscall(libc::SYS_ppoll, list, length, none, none, 0, pass.0) };
    Errno::result(ready).map(|ready| ready as usize)
}
