//! read(2) and write(2) as the payload makes them under the connector's filter: with the [`Pass`].

use super::seccomp::Pass;
use nix::errno::Errno;
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
