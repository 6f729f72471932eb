//! clone3(2).

use super::{Call, SysError, SysResult};
use nix::errno::Errno;
use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// From `linux/sched.h`; libc has this one with a type that it does not fit in.
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which of the two processes goes on here.
pub enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Clones this process with new namespaces (`CLONE_NEW*`), into a cgroup where one is given.
///
/// The child is born in the cgroup: a later write to `cgroup.procs` would wait for an RCU grace
/// period. Errors: clone3's own; EINVAL where the kernel lacks a flag.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> SysResult<Cloned> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: all-zero is a valid clone_args: no stack, no TLS, no tid pointers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    if let Some(dir) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = dir.as_raw_fd() as u64;
    }
    // WHY: no crate wraps clone3, and one call makes all namespaces at once with no state between.
    // SAFETY: without CLONE_VM the child gets a copy of our memory, as after fork; the callers are
    // single-threaded, so no lock can be held by a thread that does not exist in the child.
    // man: clone(2)
    let returned =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match returned {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel just stored a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: pid as i32, pidfd })
        }
        // The filters of container engines hide it, since they cannot look at its flags. Nothing but a plain
        // copy of ourselves can be had without it.
        _ if flags == 0 && cgroup.is_none() && Errno::last() == Errno::ENOSYS => fork(),
        _ => Err(SysError::last(Call::Clone3)),
    }
}

/// fork(2), with a pidfd.
fn fork() -> SysResult<Cloned> {
    // WHY: nix's fork is unsafe as well, and gives no pidfd.
    // SAFETY: the callers are single-threaded, as for clone3. man: fork(2)
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => {
            // Our child cannot be reaped before we do it, so that the number is still its own.
            let pidfd = super::process::pidfd(pid)?;
            Ok(Cloned::Parent { pid, pidfd })
        }
        _ => Err(SysError::last(Call::Clone)),
    }
}

/// Starts a child that shares our memory and, until it execs, our table of descriptors, on a stack of its
/// own, while we sleep until it execs or ends (vfork semantics); gives its pid.
///
/// Saves the copy of the page tables, and the faults after it, that fork costs. The child must only run
/// code that is fit for the time between clone and exec; what it writes, we see.
pub fn spawn_sharing<F: FnOnce() -> Infallible>(child: F) -> SysResult<i32> {
    const STACK: usize = 512 << 10;
    extern "C" fn enter<F: FnOnce() -> Infallible>(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the argument is the Option below, which outlives this call: its owner sleeps.
        let slot = unsafe { &mut *argument.cast::<Option<F>>() };
        slot.take().map(|child| child());
        125
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
    // WHY: the child may not run on our stack, which we go on with.
    // SAFETY: a fresh anonymous mapping. man: mmap(2)
    let stack = unsafe {
        libc::mmap(std::ptr::null_mut(), STACK, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if stack == libc::MAP_FAILED {
        return Err(SysError::last(Call::Mmap));
    }
    // SAFETY: one past the end of the mapping, which is page-aligned; stacks grow down.
    let top = unsafe { stack.cast::<u8>().add(STACK) };
    let mut slot = Some(child);
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_VFORK | libc::SIGCHLD;
    // WHY: raw clone3 would return twice into this frame; glibc's clone calls a function instead.
    // SAFETY: the stack is mapped and unused; CLONE_VFORK keeps us asleep, with `slot` in place, until
    // the child has left our memory; we are single-threaded. man: clone(2)
    let pid = unsafe { libc::clone(enter::<F>, top.cast(), flags, (&raw mut slot).cast()) };
    let error = SysError::last(Call::Clone);
    // SAFETY: the child no longer runs on it. man: munmap(2)
    unsafe { libc::munmap(stack, STACK) };
    if pid < 0 { Err(error) } else { Ok(pid) }
}

/// Leaves a cloned child at once, without destructors that belong to the parent.
pub fn leave(code: i32) -> ! {
    // WHY: std::process::exit would run atexit handlers that the parent will run as well.
    // SAFETY: _exit has no preconditions. man: _exit(2)
    unsafe { libc::_exit(code) }
}
