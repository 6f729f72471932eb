//! Descriptors: openat2(2), close_range(2), dup2(2).

use super::{Call, Sys, SysError, SysResult, check};
use nix::NixPath;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `linux/openat2.h`
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
pub const RESOLVE_BENEATH: u64 = 0x08;
pub const RESOLVE_IN_ROOT: u64 = 0x10;

/// Opens a path with openat2's promises. `dir` is a descriptor or `AT_FDCWD`.
pub fn openat2<P: ?Sized + NixPath>(
    dir: RawFd,
    path: &P,
    flags: libc::c_int,
    resolve: u64,
) -> SysResult<OwnedFd> {
    // SAFETY: all-zero is a valid open_how.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    let returned = path
        // WHY: nix's openat2 is younger than our oldest supported nix feature set and hides `resolve`.
        // SAFETY: the path is a C string and `how` lives over the call. man: openat2(2)
        .with_nix_path(|path| unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        })
        .sys(Call::Openat2)?;
    let fd = check(Call::Openat2, returned)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Where a symbolic link below an open folder leads, into the buffer; how long it is. What does not fit is
/// cut off.
pub fn read_link(folder: BorrowedFd<'_>, name: &std::ffi::CStr, to: &mut [u8]) -> SysResult<usize> {
    // WHY: nix's readlinkat makes two strings on the heap, for each of a machine's descriptors.
    // SAFETY: the name ends in NUL, and the kernel writes at most `to.len()` bytes. man: readlinkat(2)
    let returned = unsafe {
        libc::readlinkat(folder.as_raw_fd(), name.as_ptr(), to.as_mut_ptr().cast(), to.len())
    };
    check(Call::Readlinkat, returned as libc::c_long).map(|length| length as usize)
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn close_on_exec_from(first: u32) -> SysResult<()> {
    // WHY: no crate wraps close_range.
    // SAFETY: CLOSE_RANGE_CLOEXEC closes nothing now, so no owner is surprised. man: close_range(2)
    let returned =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(Call::CloseRange, returned).map(drop)
}

/// Closes the descriptors `first..=last` now. For a process that will not touch their owners again.
pub fn close_between(first: u32, last: u32) -> SysResult<()> {
    if first > last {
        return Ok(());
    }
    // WHY: init must not keep the supervisor's descriptors alive.
    // SAFETY: called by init, which leaves with _exit, so that no owner's destructor runs later.
    // man: close_range(2)
    let returned = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    check(Call::CloseRange, returned).map(drop)
}

/// Makes `to` a copy of `from` that survives exec.
pub fn dup_onto(from: BorrowedFd<'_>, to: RawFd) -> SysResult<()> {
    // WHY: nix's dup2 wants an OwnedFd for a number that belongs to the standard streams.
    // SAFETY: `to` is one of 0, 1, 2 in a child that is about to exec. man: dup2(2)
    let returned = unsafe { libc::dup2(from.as_raw_fd(), to) };
    check(Call::Dup, returned.into()).map(drop)
}

/// What makes a file that file: device and inode number, and its type bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub kind: u32,
}

/// The identity of an open file.
pub fn identity(fd: BorrowedFd<'_>) -> SysResult<Identity> {
    let stat = nix::sys::stat::fstat(fd).sys(Call::Fstat)?;
    Ok(Identity { device: stat.st_dev, inode: stat.st_ino, kind: stat.st_mode & libc::S_IFMT })
}

/// Duplicates a raw standard stream as an owned descriptor.
pub fn own_standard(stream: RawFd) -> SysResult<OwnedFd> {
    // SAFETY: only duplicates; an unopened number gives EBADF. man: fcntl(2)
    let fd = unsafe { libc::fcntl(stream, libc::F_DUPFD_CLOEXEC, 3) };
    if fd < 0 {
        return Err(SysError::new(Call::Dup, Errno::last()));
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Duplicates a descriptor to the lowest free number from `least`, close-on-exec.
pub fn duplicate(fd: BorrowedFd<'_>, least: RawFd) -> SysResult<OwnedFd> {
    // WHY: OwnedFd::try_clone cannot ask for a number.
    // SAFETY: only duplicates. man: fcntl(2)
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    check(Call::Dup, copy.into())?;
    Ok(adopt(copy))
}

/// Takes over a descriptor that the kernel has just given us, in a control message.
pub fn adopt(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS makes a new descriptor for the receiver, which nobody else owns. man: unix(7)
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// For a descriptor that a process sharing our table opened, and left to us.
pub fn borrow_raw<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: only used with the number that the payload left in shared memory, which is open in the table
    // that it shares with init until init closes everything. man: clone(2), CLONE_FILES
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Bytes that wait unread in a pipe or socket; `None` where the kernel cannot tell.
pub fn unread(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut count: libc::c_int = 0;
    // WHY: nix has no FIONREAD.
    // SAFETY: FIONREAD writes one int to the pointer. man: ioctl_tty(2), pipe(7)
    let returned = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    (returned == 0).then_some(count.unsigned_abs() as usize)
}

/// True where the other end of a pipe or socket has gone.
pub fn hung_up(fd: BorrowedFd<'_>) -> bool {
    happened(fd, 0)
}

/// True where it has gone, or will send no more but still reads (a half-closed socket).
pub fn sends_no_more(fd: BorrowedFd<'_>) -> bool {
    happened(fd, libc::POLLRDHUP)
}

fn happened(fd: BorrowedFd<'_>, events: libc::c_short) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // WHY: nix does not know POLLRDHUP, and gives no flag at all where the kernel sets it.
    // SAFETY: one pollfd that lives over the call. man: poll(2)
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    ready > 0 && poll.revents != 0
}
