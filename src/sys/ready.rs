//! Descriptors that a tokio runtime waits for.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Waits for this descriptor from now on; within a runtime.
pub fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // WHY: tokio cannot tell whether AsRawFd always gives the same descriptor.
    // SAFETY: an OwnedFd gives the same one as long as it lives, and keeps it open. man: epoll_ctl(2)
    Ok(unsafe { AsyncFd::register(fd) }?)
}
