//! Attempts at what a jail forbids, for the proof from inside.
//!
//! Each makes the real call with real arguments and gives the errno of the refusal; `Ok(())` means
//! that it worked. Nothing is undone: a run whose probe succeeds is ended at once. Those that are made
//! under the connector's filter give the [`Pass`], since nobody listens yet.

use super::seccomp::Pass;
use nix::errno::Errno;
use nix::{NixPath, libc as c};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

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

fn socket(
    family: c::c_int,
    kind: c::c_int,
    protocol: c::c_int,
    pass: Pass,
) -> Result<c::c_int, Errno> {
    let kind = kind | c::SOCK_CLOEXEC | c::SOCK_NONBLOCK;
    // SAFETY: three integers. man: socket(2)
    let fd = unsafe { c::syscall(c::SYS_socket, family, kind, protocol, 0, 0, pass.0) };
    if fd < 0 { Err(Errno::last()) } else { Ok(fd as c::c_int) }
}

/// Creates a socket of this family, type and protocol.
pub fn create_socket(
    family: c::c_int,
    kind: c::c_int,
    protocol: c::c_int,
    pass: Pass,
) -> Result<(), Errno> {
    socket(family, kind, protocol, pass).map(drop)
}

/// Connects to an IPv4 address, or sends it one datagram. Non-blocking.
///
/// Without a route no packet exists, and EINPROGRESS, which means that one left, counts as success.
/// With `by`, the jail's own end of the veth pair, packets may leave, but only by that end and only to
/// be refused by the proxy's: anything else counts as success.
pub fn reach_ipv4(to: SocketAddrV4, datagram: bool, by: Option<Ipv4Addr>) -> Result<(), Errno> {
    let kind = if datagram { c::SOCK_DGRAM } else { c::SOCK_STREAM };
    let fd = socket(c::AF_INET, kind, 0, Pass::default())?;
    let to = ipv4(to);
    let size = size_of::<c::sockaddr_in>() as c::socklen_t;
    // SAFETY: `to` lives over the call and `size` is its size. man: connect(2)
    let returned = unsafe { c::connect(fd, (&raw const to).cast(), size) };
    let Some(by) = by else { return left(returned) };
    left(returned)?;
    let mut from = to;
    let mut length = size;
    // SAFETY: `from` and `length` live over the call and belong together. man: getsockname(2)
    outcome(unsafe { c::getsockname(fd, (&raw mut from).cast(), &raw mut length) }.into())?;
    if from.sin_addr.s_addr != u32::from(by).to_be() {
        return Ok(());
    }
    refused_there(fd, datagram)
}

fn ipv4(address: SocketAddrV4) -> c::sockaddr_in {
    // SAFETY: all-zero is a valid sockaddr_in.
    let mut to: c::sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = c::AF_INET as c::sa_family_t;
    to.sin_port = address.port().to_be();
    to.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    to
}

/// The same for an IPv6 address.
pub fn reach_ipv6(to: SocketAddrV6, by: Option<Ipv6Addr>) -> Result<(), Errno> {
    let fd = socket(c::AF_INET6, c::SOCK_STREAM, 0, Pass::default())?;
    let to = ipv6(to);
    let size = size_of::<c::sockaddr_in6>() as c::socklen_t;
    // SAFETY: `to` lives over the call and `size` is its size. man: connect(2)
    let returned = unsafe { c::connect(fd, (&raw const to).cast(), size) };
    let Some(by) = by else { return left(returned) };
    left(returned)?;
    let mut from = to;
    let mut length = size;
    // SAFETY: `from` and `length` live over the call and belong together. man: getsockname(2)
    outcome(unsafe { c::getsockname(fd, (&raw mut from).cast(), &raw mut length) }.into())?;
    if from.sin6_addr.s6_addr != by.octets() {
        return Ok(());
    }
    refused_there(fd, false)
}

fn ipv6(address: SocketAddrV6) -> c::sockaddr_in6 {
    // SAFETY: all-zero is a valid sockaddr_in6.
    let mut to: c::sockaddr_in6 = unsafe { std::mem::zeroed() };
    to.sin6_family = c::AF_INET6 as c::sa_family_t;
    to.sin6_port = address.port().to_be();
    to.sin6_addr.s6_addr = address.ip().octets();
    to
}

fn left(returned: c::c_int) -> Result<(), Errno> {
    match outcome(returned.into()) {
        Err(Errno::EINPROGRESS) => Ok(()),
        other => other,
    }
}

/// Waits for the refusal of what was sent; silence for a second counts as success.
fn refused_there(fd: c::c_int, datagram: bool) -> Result<(), Errno> {
    if datagram {
        // SAFETY: one byte that lives over the call. man: send(2)
        outcome(unsafe { c::send(fd, c"".as_ptr().cast(), 1, c::MSG_NOSIGNAL) } as c::c_long)?;
    }
    let mut poll = c::pollfd { fd, events: c::POLLOUT, revents: 0 };
    if datagram {
        poll.events = 0;
    }
    // SAFETY: one pollfd that lives over the call. man: poll(2)
    outcome(unsafe { c::poll(&raw mut poll, 1, 1000) }.into())?;
    let mut error: c::c_int = 0;
    let mut length = size_of::<c::c_int>() as c::socklen_t;
    let place = (&raw mut error).cast();
    // SAFETY: SO_ERROR writes one int to the pointer. man: socket(7)
    let returned = unsafe { c::getsockopt(fd, c::SOL_SOCKET, c::SO_ERROR, place, &raw mut length) };
    outcome(returned.into())?;
    match error {
        c::ECONNREFUSED => Err(Errno::ECONNREFUSED),
        // Connected, or refused by somebody else (EHOSTUNREACH, ENETUNREACH).
        _ => Ok(()),
    }
}

pub fn unshare_user(pass: Pass) -> Result<(), Errno> {
    // SAFETY: one integer; on success the run ends. man: unshare(2)
    outcome(unsafe { c::syscall(c::SYS_unshare, c::CLONE_NEWUSER, 0, 0, 0, 0, pass.0) })
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

pub fn ptrace_init(pass: Pass) -> Result<(), Errno> {
    // SAFETY: PTRACE_ATTACH uses the pid only. man: ptrace(2)
    outcome(unsafe { c::syscall(c::SYS_ptrace, c::PTRACE_ATTACH, 1, 0, 0, 0, pass.0) })
}

/// A system call with arguments that would be harmless if it were allowed.
pub fn plain(number: c::c_long, first: c::c_long, pass: Pass) -> Result<(), Errno> {
    // SAFETY: only used with calls that read or write no memory for NULL pointers and these numbers:
    // bpf(MAP_CREATE, NULL, 0), keyctl(GET_KEYRING_ID), io_uring_setup(0, NULL),
    // perf_event_open(NULL), userfaultfd(0).
    outcome(unsafe { c::syscall(number, first, 0, 0, 0, 0, pass.0) })
}

/// Connects to a port of this machine at which nobody listens. Only a refusal by rule counts: an answer
/// of the other side (ECONNREFUSED) means that the connection was tried.
pub fn connect_loopback() -> Result<(), Errno> {
    let fd = socket(c::AF_INET, c::SOCK_STREAM, 0, Pass::default())?;
    let to = ipv4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));
    let size = size_of::<c::sockaddr_in>() as c::socklen_t;
    // SAFETY: `to` lives over the call and `size` is its size. man: connect(2)
    match outcome(unsafe { c::connect(fd, (&raw const to).cast(), size) }.into()) {
        Err(errno @ (Errno::EACCES | Errno::EPERM)) => Err(errno),
        _ => Ok(()),
    }
}

/// A pair of connected unix sockets of this type.
pub fn socket_pair(kind: c::c_int) -> Result<(), Errno> {
    let mut pair = [0; 2];
    // SAFETY: two integers are written to the array. man: socketpair(2)
    outcome(unsafe { c::socketpair(c::AF_UNIX, kind, 0, pair.as_mut_ptr()) }.into())
}

/// Asks whether this process may be signalled; nothing is sent.
pub fn signal(pid: i32) -> Result<(), Errno> {
    // SAFETY: two integers; signal 0 is none. man: kill(2)
    outcome(unsafe { c::kill(pid, 0) }.into())
}

/// PTRACE_SEIZE, which does not stop the process and ends with us.
pub fn trace(pid: i32) -> Result<(), Errno> {
    // SAFETY: PTRACE_SEIZE takes a pid and two zeros. man: ptrace(2)
    outcome(unsafe { c::syscall(c::SYS_ptrace, c::PTRACE_SEIZE, pid, 0, 0) })
}

/// Reads a limit of another process.
pub fn limits_of(pid: i32) -> Result<(), Errno> {
    let (limit, none) = (c::RLIMIT_NOFILE, std::ptr::null::<c::rlimit64>());
    // SAFETY: NULL for both limits changes and writes nothing. man: prlimit(2)
    outcome(unsafe { c::syscall(c::SYS_prlimit64, pid, limit, none, none) })
}

/// Changes the mode of a file to what it is for a file that jail made.
pub fn change_mode<P: ?Sized + NixPath>(path: &P) -> Result<(), Errno> {
    // SAFETY: a C string and an integer. man: chmod(2)
    outcome(path.with_nix_path(|path| unsafe { c::chmod(path.as_ptr(), 0o600) })?.into())
}

/// Empties a file by its path.
pub fn truncate<P: ?Sized + NixPath>(path: &P) -> Result<(), Errno> {
    // SAFETY: a C string and an integer. man: truncate(2)
    outcome(path.with_nix_path(|path| unsafe { c::truncate(path.as_ptr(), 0) })?.into())
}

/// Gives a file a second name in the working folder.
pub fn link_here<P: ?Sized + NixPath>(path: &P) -> Result<(), Errno> {
    let to = c".jail-proof".as_ptr();
    // SAFETY: two C strings. man: link(2)
    outcome(path.with_nix_path(|path| unsafe { c::link(path.as_ptr(), to) })?.into())
}
