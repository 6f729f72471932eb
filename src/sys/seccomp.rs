//! seccomp(2), seccomp_unotify(2).

use super::fd::adopt;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The kernel's own bound, `BPF_MAXINSNS`.
const MAX_INSNS: usize = 4096;

/// Given as the sixth argument of a call, it asks a telling filter to answer on the spot (see
/// `crate::seccomp::notify`). 0 where there is no such filter; the kernel does not look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass(pub u64);

/// Puts the calling thread, and all that it starts from now on, under a filter for good.
///
/// `program` is an array of `struct sock_filter`. The thread must have `no_new_privs`. Needs no
/// memory, so that it may be called between fork and exec.
///
/// No flags, on purpose. `TSYNC`: the caller has one thread. `LOG`: refusals are many and ordinary.
/// `SPEC_ALLOW`: it would lift the protection against speculative store bypass on kernels that tie it
/// to seccomp, and give the connector more than the parent has.
///
/// See seccomp(2), SECCOMP_SET_MODE_FILTER.
pub fn load(program: &[u8]) -> Result<(), Errno> {
    set_filter(program, 0).map(drop)
}

/// The same with a filter that tells; gives the listener, which is close-on-exec.
///
/// `WAIT_KILLABLE_RECV` (Linux 5.19): a call of which the listener knows is not interrupted by signals,
/// so that it is told once. EINVAL where the kernel lacks listeners, EBUSY where an earlier filter of
/// the thread has one.
pub fn load_telling(program: &[u8]) -> Result<OwnedFd, Errno> {
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let listener = match set_filter(program, listen | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
    {
        Err(Errno::EINVAL) => set_filter(program, listen)?,
        other => other?,
    };
    Ok(adopt(listener as libc::c_int))
}

fn set_filter(program: &[u8], flags: libc::c_ulong) -> Result<libc::c_long, Errno> {
    let insns = program.len() / size_of::<libc::sock_filter>();
    let whole = program.len().is_multiple_of(size_of::<libc::sock_filter>());
    if !whole || insns == 0 || insns > MAX_INSNS {
        return Err(Errno::EINVAL);
    }
    let fprog = libc::sock_fprog {
        len: insns as libc::c_ushort,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // WHY: neither libc nor nix wraps seccomp(2), and prctl(2) cannot say "no flags" as plainly.
    // SAFETY: `fprog` lives until the call returns and names exactly the `insns` instructions of
    // `program`; the kernel copies them, asks for no alignment and writes nothing through either
    // pointer.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const fprog)
    };
    Errno::result(result)
}

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    id: u64,
    pub number: i32,
    /// `AUDIT_ARCH_…`.
    pub arch: u32,
    pub args: [u64; 6],
}

/// True where the kernel's messages are those that are known here (Linux 5.0 and later).
pub fn can_listen() -> bool {
    let mut sizes =
        libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    // WHY: a later kernel may write longer messages.
    // SAFETY: the operation writes one `seccomp_notif_sizes`. man: seccomp_unotify(2)
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0u32, &raw mut sizes)
    };
    result == 0
        && usize::from(sizes.seccomp_notif) <= size_of::<libc::seccomp_notif>()
        && usize::from(sizes.seccomp_notif_resp) <= size_of::<libc::seccomp_notif_resp>()
}

/// Takes a call; `None` where it has gone meanwhile. Waits where poll(2) has not said that there is one.
pub fn receive(listener: BorrowedFd<'_>) -> Result<Option<Asked>, Errno> {
    const RECV: libc::Ioctl =
        nix::request_code_readwrite!(b'!', 0, size_of::<libc::seccomp_notif>());
    // SAFETY: integers; the kernel wants them zero.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // WHY: no crate in the tree wraps seccomp's ioctls.
    // SAFETY: the kernel writes one `seccomp_notif`, of at most this size by `can_listen`.
    // man: seccomp_unotify(2)
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECV, &raw mut asked) };
    match Errno::result(result) {
        Ok(_) => {
            let data = asked.data;
            Ok(Some(Asked { id: asked.id, number: data.nr, arch: data.arch, args: data.args }))
        }
        Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Answers with an error; there is no other answer here. A call that has gone needs none.
pub fn refuse(listener: BorrowedFd<'_>, asked: Asked, errno: i32) -> Result<(), Errno> {
    const SEND: libc::Ioctl =
        nix::request_code_readwrite!(b'!', 1, size_of::<libc::seccomp_notif_resp>());
    let error = -errno.clamp(1, 4095);
    let mut answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error, flags: 0 };
    // WHY: as above.
    // SAFETY: the kernel reads one `seccomp_notif_resp`. man: seccomp_unotify(2)
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut answer) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
