//! Attempts at what a jail forbids, for the proof from inside.
//!
//! Each makes the real call with real arguments and gives the errno of the refusal; `Ok(())` means
//! that it worked. Nothing is undone: a run whose probe succeeds is ended at once.

use nix::errno::Errno;
use nix::{NixPath, libc as c};

fn outcome(returned: c::c_long) -> Result<(), Errno> {
    if returned < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Opens a path; `create` makes a new file.
pub fn open<P: ?Sized + NixPath>(path: &P, write: bool, create: bool) -> Result<(), Errno> {
    let flags = c::O_CLOEXEC
        | c::O_NONBLOCK
        | if write { c::O_WRONLY } else { c::O_RDONLY }
        | if create { c::O_CREAT | c::O_EXCL } else { 0 };
    // SAFETY: a C string and integers. man: open(2)
    let returned = path.with_nix_path(|path| unsafe { c::open(path.as_ptr(), flags, 0o600) })?;
    outcome(returned.into())
}

fn socket(family: c::c_int, kind: c::c_int, protocol: c::c_int) -> Result<c::c_int, Errno> {
    // SAFETY: three integers. man: socket(2)
    let fd = unsafe { c::socket(family, kind | c::SOCK_CLOEXEC | c::SOCK_NONBLOCK, protocol) };
    if fd < 0 { Err(Errno::last()) } else { Ok(fd) }
}

/// Creates a socket of this family, type and protocol.
pub fn create_socket(family: c::c_int, kind: c::c_int, protocol: c::c_int) -> Result<(), Errno> {
    socket(family, kind, protocol).map(drop)
}

/// Connects to 192.0.2.1 (TEST-NET-1, RFC 5737), or sends it one datagram. Non-blocking: without a
/// route no packet exists, and EINPROGRESS, which means that one left, counts as success.
pub fn reach_ipv4(datagram: bool) -> Result<(), Errno> {
    let kind = if datagram { c::SOCK_DGRAM } else { c::SOCK_STREAM };
    let fd = socket(c::AF_INET, kind, 0)?;
    // SAFETY: all-zero is a valid sockaddr_in.
    let mut to: c::sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = c::AF_INET as c::sa_family_t;
    to.sin_port = 9u16.to_be();
    to.sin_addr.s_addr = u32::from_be_bytes([192, 0, 2, 1]).to_be();
    let size = size_of::<c::sockaddr_in>() as c::socklen_t;
    // SAFETY: `to` lives over the call and `size` is its size. man: connect(2)
    left(unsafe { c::connect(fd, (&raw const to).cast(), size) })
}

/// The same for 2001:db8::1 (RFC 3849).
pub fn reach_ipv6() -> Result<(), Errno> {
    let fd = socket(c::AF_INET6, c::SOCK_STREAM, 0)?;
    // SAFETY: all-zero is a valid sockaddr_in6.
    let mut to: c::sockaddr_in6 = unsafe { std::mem::zeroed() };
    to.sin6_family = c::AF_INET6 as c::sa_family_t;
    to.sin6_port = 9u16.to_be();
    to.sin6_addr.s6_addr = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let size = size_of::<c::sockaddr_in6>() as c::socklen_t;
    // SAFETY: `to` lives over the call and `size` is its size. man: connect(2)
    left(unsafe { c::connect(fd, (&raw const to).cast(), size) })
}

fn left(returned: c::c_int) -> Result<(), Errno> {
    match outcome(returned.into()) {
        Err(Errno::EINPROGRESS) => Ok(()),
        other => other,
    }
}

pub fn unshare_user() -> Result<(), Errno> {
    // SAFETY: one integer; on success the run ends. man: unshare(2)
    outcome(unsafe { c::unshare(c::CLONE_NEWUSER) }.into())
}

pub fn mount_tmpfs() -> Result<(), Errno> {
    let (kind, at) = (c"tmpfs".as_ptr(), c"/tmp".as_ptr());
    // SAFETY: C strings and NULL. man: mount(2)
    outcome(unsafe { c::mount(kind, at, kind, 0, std::ptr::null()) }.into())
}

pub fn become_root() -> Result<(), Errno> {
    // SAFETY: three integers; the raw call, since glibc's would tell other threads. man: setresuid(2)
    outcome(unsafe { c::syscall(c::SYS_setresuid, 0, 0, 0) })
}

pub fn chroot() -> Result<(), Errno> {
    // SAFETY: a C string. man: chroot(2)
    outcome(unsafe { c::chroot(c"/".as_ptr()) }.into())
}

pub fn ptrace_init() -> Result<(), Errno> {
    // SAFETY: PTRACE_ATTACH uses the pid only. man: ptrace(2)
    outcome(unsafe { c::syscall(c::SYS_ptrace, c::PTRACE_ATTACH, 1, 0, 0) })
}

/// A system call with arguments that would be harmless if it were allowed.
pub fn plain(number: c::c_long, first: c::c_long) -> Result<(), Errno> {
    // SAFETY: only used with calls that read or write no memory for NULL pointers and these numbers:
    // bpf(MAP_CREATE, NULL, 0), keyctl(GET_KEYRING_ID), io_uring_setup(0, NULL),
    // perf_event_open(NULL), userfaultfd(0).
    outcome(unsafe { c::syscall(number, first, 0, 0, 0, 0) })
}
