//! seccomp(2).

use nix::errno::Errno;

/// The kernel's own bound, `BPF_MAXINSNS`.
const MAX_INSNS: usize = 4096;

/// Puts the calling thread, and all that it starts from now on, under a filter for good.
///
/// `program` is an array of `struct sock_filter`. The thread must have `no_new_privs`. Needs no
/// memory, so that it may be called between fork and exec.
///
/// No flags, on purpose. `TSYNC`: the caller has one thread. `NEW_LISTENER`: jail answers for nobody.
/// `LOG`: refusals are many and ordinary. `SPEC_ALLOW`: it would lift the protection against
/// speculative store bypass on kernels that tie it to seccomp, and give the connector more than the
/// parent has.
///
/// See seccomp(2), SECCOMP_SET_MODE_FILTER.
pub fn load(program: &[u8]) -> Result<(), Errno> {
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
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0u32, &raw const fprog)
    };
    Errno::result(result).map(drop)
}
