//! The system calls that probes try and that no crate of ours wraps.
//!
//! Each takes and gives safe types; an error is the error number.

use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const LANDLOCK_VERSION: u32 = 1;
/// The error number that the filter of [`seccomp_filter`] gives.
pub const FILTERED: Errno = Errno::EXDEV;

fn fd(result: libc::c_long) -> nix::Result<OwnedFd> {
    let raw = Errno::result(result)?;
    let raw = i32::try_from(raw).map_err(|_| Errno::EBADF)?;
    // WHY: the raw number becomes a value that closes itself.
    // SAFETY: every caller passes the result of a call that gives a new descriptor, which nobody
    // else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// The highest Landlock ABI of this kernel.
pub fn landlock_abi() -> nix::Result<i64> {
    let none = std::ptr::null::<libc::c_void>();
    // WHY: the landlock crate does not give the number.
    // https://man7.org/linux/man-pages/man2/landlock_create_ruleset.2.html
    // SAFETY: with this flag the pointer must be null and the size zero; nothing is written.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, LANDLOCK_VERSION) };
    Errno::result(abi)
}

/// Loads a filter that answers getppid(2) with [`FILTERED`]; with `listen`, the call is handed to
/// the descriptor that is returned. Needs no_new_privs.
pub fn seccomp_filter(listen: bool) -> nix::Result<Option<OwnedFd>> {
    let action = if listen {
        libc::SECCOMP_RET_USER_NOTIF
    } else {
        libc::SECCOMP_RET_ERRNO | FILTERED as u32
    };
    let op = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let mut code = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0), // the number of the call
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_getppid as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, action),
        op(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
    let flags = if listen { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // WHY: libseccomp would hide which call failed. https://man7.org/linux/man-pages/man2/seccomp.2.html
    // SAFETY: `program` points to `code`, both live through the call, which copies them.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if listen { fd(result).map(Some) } else { Errno::result(result).map(|_| None) }
}

/// getppid(2), past the C library.
pub fn getppid() -> nix::Result<i64> {
    // WHY: the wrapper cannot fail, so it hides what a filter answers.
    // https://man7.org/linux/man-pages/man2/getppid.2.html
    // SAFETY: takes no argument and touches no memory.
    Errno::result(unsafe { libc::syscall(libc::SYS_getppid) })
}

/// A file system context of this type.
pub fn fsopen(kind: &CStr) -> nix::Result<OwnedFd> {
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/fsopen.2.html
    // SAFETY: `kind` ends in NUL and lives through the call.
    fd(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })
}

/// Makes the superblock of a context (`FSCONFIG_CMD_CREATE`).
pub fn fsconfig_create(context: BorrowedFd<'_>) -> nix::Result<()> {
    let none = std::ptr::null::<libc::c_void>();
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/fsconfig.2.html
    // SAFETY: this command takes null for key and value; the descriptor is open (BorrowedFd).
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            libc::FSCONFIG_CMD_CREATE,
            none,
            none,
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// A mount of a context, attached nowhere.
pub fn fsmount(context: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/fsmount.2.html
    // SAFETY: integers only; the descriptor is open (BorrowedFd).
    fd(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, 0) })
}

/// Attaches a mount at a path.
pub fn move_mount(mount: BorrowedFd<'_>, to: &CStr) -> nix::Result<()> {
    let here = c"".as_ptr();
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/move_mount.2.html
    // SAFETY: both strings end in NUL and live through the call; the descriptor is open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            here,
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}

/// A copy of the mount at a path, attached nowhere.
pub fn open_tree(path: &CStr) -> nix::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/open_tree.2.html
    // SAFETY: `path` ends in NUL and lives through the call.
    fd(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Makes a mount read-only.
pub fn mount_read_only(mount: BorrowedFd<'_>) -> nix::Result<()> {
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/mount_setattr.2.html
    // SAFETY: all fields are integers, for which zero is valid.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_set = libc::MOUNT_ATTR_RDONLY;
    // WHY: as above.
    // SAFETY: the empty string and `attr` live through the call, and the size of `attr` is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Is close_range(2) there? Asked with a range that no descriptor is in.
pub fn close_range_is_there() -> nix::Result<()> {
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/close_range.2.html
    // SAFETY: no descriptor has a number this high (the kernel's limit is 2^30), so none is closed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, u32::MAX - 1, u32::MAX, 0) };
    Errno::result(result).map(drop)
}

/// A descriptor that stands for a process.
pub fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/pidfd_open.2.html
    // SAFETY: integers only.
    fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
}

/// Asks whether the process can be signalled (signal 0).
pub fn pidfd_check(pidfd: BorrowedFd<'_>) -> nix::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // WHY: no wrapper. https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html
    // SAFETY: null for the information is allowed; the descriptor is open (BorrowedFd).
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), 0, none, 0) };
    Errno::result(result).map(drop)
}
