//! What a process gives up or takes on: capabilities, keyring, priority, signals.

use super::{Call, SysError, SysResult, check};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Every capability up to and beyond what today's kernels know; the kernel answers EINVAL past its last.
const CAPABILITIES: libc::c_ulong = 64;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`
const CAP_VERSION: u32 = 0x2008_0522;

fn prctl(call: Call, option: libc::c_int, value: libc::c_ulong) -> SysResult<libc::c_int> {
    let zero: libc::c_ulong = 0;
    // WHY: nix covers some of these options only, and not PR_SET_SECUREBITS.
    // SAFETY: every option used here takes integers. man: prctl(2)
    let returned = unsafe { libc::prctl(option, value, zero, zero, zero) };
    check(call, returned.into()).map(|value| value as libc::c_int)
}

/// SIGKILL for this process when its parent dies. Survives exec of a program without privileges.
pub fn die_with_parent() -> SysResult<()> {
    prctl(Call::Pdeathsig, libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).map(drop)
}

/// This signal for this process when its parent dies.
pub fn signal_at_parents_death(signal: libc::c_int) -> SysResult<()> {
    prctl(Call::Pdeathsig, libc::PR_SET_PDEATHSIG, signal as libc::c_ulong).map(drop)
}

/// Becomes the parent of every descendant whose own parent ends; read back. man:
/// PR_SET_CHILD_SUBREAPER(2const)
pub fn adopt_orphans() -> SysResult<()> {
    prctl(Call::Subreaper, libc::PR_SET_CHILD_SUBREAPER, 1)?;
    let mut set: libc::c_int = 0;
    // WHY: nix has no prctl that writes.
    // SAFETY: this option writes one int to the pointer. man: PR_GET_CHILD_SUBREAPER(2const)
    let got = unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut set) };
    check(Call::Subreaper, got.into())?;
    if set == 1 { Ok(()) } else { Err(SysError::unverified()) }
}

/// Has this process any child, ended or not? man: waitid(2)
pub fn has_children() -> bool {
    // SAFETY: all-zero is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // WHY: nix's waitid turns statuses that it does not know into errors.
    // SAFETY: the pointer is valid for what it points to; nothing is reaped.
    unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, look) == 0 }
}

/// No core dump, no ptrace by equals, and `/proc/PID` owned by nobody inside.
pub fn not_dumpable() -> SysResult<()> {
    prctl(Call::PrctlDumpable, libc::PR_SET_DUMPABLE, 0).map(drop)
}

/// Sets no_new_privs and reads it back.
pub fn no_new_privs() -> SysResult<()> {
    prctl(Call::PrctlNoNewPrivs, libc::PR_SET_NO_NEW_PRIVS, 1)?;
    match prctl(Call::PrctlNoNewPrivs, libc::PR_GET_NO_NEW_PRIVS, 0)? {
        1 => Ok(()),
        _ => Err(SysError::unverified()),
    }
}

/// Locks "uid 0 is nothing special, set-uid changes no capabilities". man: capabilities(7)
pub fn lock_securebits() -> SysResult<()> {
    // NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock; KEEP_CAPS locked off.
    const BITS: libc::c_ulong = 0b1110_1111;
    prctl(Call::PrctlSecurebits, libc::PR_SET_SECUREBITS, BITS)?;
    match prctl(Call::PrctlSecurebits, libc::PR_GET_SECUREBITS, 0)? {
        set if set as libc::c_ulong == BITS => Ok(()),
        _ => Err(SysError::unverified()),
    }
}

/// Drops the whole bounding set and shows that nothing is left in it.
pub fn drop_bounding_set() -> SysResult<()> {
    for capability in 0..CAPABILITIES {
        match prctl(Call::CapbsetDrop, libc::PR_CAPBSET_DROP, capability) {
            Ok(_) => {}
            // The kernel's last one is passed, if there is no more of them.
            Err(error) if error.errno() == Errno::EINVAL && capability > 30 => break,
            Err(error) => return Err(error),
        }
    }
    for capability in 0..CAPABILITIES {
        match prctl(Call::CapbsetDrop, libc::PR_CAPBSET_READ, capability) {
            Ok(0) => {}
            Ok(_) => return Err(SysError::unverified()),
            Err(error) if error.errno() == Errno::EINVAL && capability > 30 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Empties the effective, permitted, inheritable and ambient sets and reads them back.
pub fn drop_capabilities() -> SysResult<()> {
    prctl_ambient_clear()?;
    let header = CapHeader { version: CAP_VERSION, pid: 0 };
    let mut data = [CapData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // WHY: the caps crate works on hash sets, which a child between clone and exec may not build.
    // SAFETY: version 3 reads one header and two data words. man: capset(2)
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    check(Call::Capset, set)?;
    // SAFETY: version 3 writes two data words. man: capget(2)
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    check(Call::Capset, got)?;
    let empty = data.iter().all(|d| d.effective | d.permitted | d.inheritable == 0);
    if empty { Ok(()) } else { Err(SysError::unverified()) }
}

fn prctl_ambient_clear() -> SysResult<()> {
    let option = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    prctl(Call::Capset, libc::PR_CAP_AMBIENT, option).map(drop)
}

/// Joins a fresh, anonymous session keyring, so that the user's keys are out of reach.
pub fn fresh_session_keyring() -> SysResult<()> {
    /// `linux/keyctl.h`
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // WHY: no crate in the tree wraps keyctl.
    // SAFETY: NULL asks for an anonymous keyring. man: keyctl(2)
    let returned = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    check(Call::JoinKeyring, returned).map(drop)
}

/// Sets the nice value of this process.
pub fn set_nice(nice: u8) -> SysResult<()> {
    // WHY: nix has no setpriority.
    // SAFETY: three integers. man: setpriority(2)
    let returned = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) };
    check(Call::Setpriority, returned.into()).map(drop)
}

/// A descriptor of a process that need not be our child.
pub fn pidfd(pid: i32) -> SysResult<std::os::fd::OwnedFd> {
    // WHY: no crate wraps pidfd_open.
    // SAFETY: integers only. man: pidfd_open(2)
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    check(Call::PidfdOpen, fd).map(|fd| super::fd::adopt(fd as i32))
}

/// This signal in a set, whatever its number. man: sigsetops(3)
pub fn add_signal(set: SigSet, signal: libc::c_int) -> SigSet {
    let mut raw = *set.as_ref();
    // WHY: nix's enum has no real-time signals.
    // SAFETY: the set is initialised; a number that is no signal is refused and leaves it as it is.
    unsafe { libc::sigaddset(&raw mut raw, signal) };
    // WHY: the only way back to nix's type.
    // SAFETY: it was initialised as one, and has been changed by sigaddset(3) alone.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// Lets a command die with the thread that starts it, which must live as long as its process.
pub fn dies_with_us(command: &mut Command) -> &mut Command {
    // WHY: the standard library has no option for it.
    // SAFETY: what runs between fork and exec is one prctl(2), which allocates nothing.
    unsafe {
        command.pre_exec(|| {
            die_with_parent()
                .map_err(|error| std::io::Error::from_raw_os_error(error.errno() as i32))
        })
    }
}

/// Sends a signal to the process behind a pidfd.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> SysResult<()> {
    // WHY: nix has no pidfd_send_signal; a pid could be somebody else's by now.
    // SAFETY: a descriptor, a number, NULL and no flags. man: pidfd_send_signal(2)
    let returned = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(Call::SendSignal, returned).map(drop)
}

/// Waits for the end of a child of ours and reaps it. One that is reaped already needs nothing.
pub fn reap_pidfd(pidfd: BorrowedFd<'_>) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    while waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
}

/// Gives a signal its default action; an ignored one would stay ignored over exec.
pub fn default_action(signal: libc::c_int) -> SysResult<()> {
    // WHY: nix's sigaction wrapper cannot be used on a plain number.
    // SAFETY: SIG_DFL is always a valid disposition. man: signal(2)
    let previous = unsafe { libc::signal(signal, libc::SIG_DFL) };
    if previous == libc::SIG_ERR { Err(SysError::last(Call::Sigaction)) } else { Ok(()) }
}

/// Waits for one of these signals and gives its number. man: sigwaitinfo(2)
pub fn wait_for(set: &nix::sys::signal::SigSet) -> libc::c_int {
    // WHY: nix's SigSet::wait turns real-time signals into an error.
    // SAFETY: the set is initialised; NULL says that no details are wanted.
    unsafe { libc::sigwaitinfo(set.as_ref(), std::ptr::null_mut()) }
}

/// A child that has ended.
pub struct Reaped {
    pub pid: i32,
    pub status: libc::c_int,
    /// User and system time in microseconds, with that of the children that it waited for.
    pub cpu: u64,
}

/// Reaps one ended child; with WNOHANG only if there is one. man: wait4(2)
pub fn reap_one(options: libc::c_int) -> Option<Reaped> {
    let mut status = 0;
    // SAFETY: all-zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // WHY: nix's waitpid turns statuses that it does not know into errors, and gives no rusage.
    // SAFETY: both pointers are valid for what they point to.
    let pid = unsafe { libc::wait4(-1, &raw mut status, options | libc::__WALL, &raw mut usage) };
    let micros = |t: libc::timeval| (t.tv_sec * 1_000_000 + t.tv_usec).unsigned_abs();
    let cpu = micros(usage.ru_utime) + micros(usage.ru_stime);
    (pid > 0).then_some(Reaped { pid, status, cpu })
}

/// Signals a process group of ours; false where it does not exist. man: kill(2)
pub fn signal_group(leader: i32, signal: libc::c_int) -> bool {
    // WHY: real-time signals, which nix's enum has not.
    // SAFETY: two integers.
    unsafe { libc::kill(-leader, signal) == 0 }
}

/// Signals one process; false where it does not exist. man: kill(2)
pub fn signal_one(pid: i32, signal: libc::c_int) -> bool {
    // WHY: real-time signals, which nix's enum has not.
    // SAFETY: two integers.
    unsafe { libc::kill(pid, signal) == 0 }
}
