//! ptrace(2), as far as looking at system calls needs it: nothing here changes what a process does.

use super::{Call, SysError, SysResult, check};
use nix::errno::Errno;

/// Every process and thread that comes of a traced one is traced as well, and none outlives its tracer.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL;

/// `linux/ptrace.h`: the values of `op` in `struct ptrace_syscall_info`.
const ENTRY: u8 = 1;
const EXIT: u8 = 2;

/// How far a stopped process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The next event or signal.
    Event,
    /// The next beginning or end of a system call, too.
    Call,
}

/// What a process that stopped at a system call shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Entry(Entry),
    /// What it returned; negative errors as their number.
    Exit(Result<i64, i32>),
    Other,
}

/// A system call as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// `AUDIT_ARCH_…`
    pub arch: u32,
    pub pointer: u64,
    pub number: u64,
    pub args: [u64; 6],
}

/// Why a traced process has something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub pid: i32,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It has ended, and is reaped.
    Ended,
    /// At the beginning or end of a system call.
    Call,
    /// A `PTRACE_EVENT_…`, with the signal that came with it.
    Event { event: i32, signal: i32 },
    /// This signal is about to be delivered.
    Signal(i32),
}

/// Begins to trace, without stopping it. Errors: EPERM where Yama, another security module or another
/// tracer does not allow it.
pub fn seize(pid: i32) -> SysResult<()> {
    // WHY: nix hides the call behind a feature that brings all of ptrace.
    // SAFETY: PTRACE_SEIZE takes a pid and a word of options. man: ptrace(2)
    let returned = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0usize, OPTIONS as usize) };
    check(Call::PtraceSeize, returned).map(drop)
}

/// Lets a stopped process go on; `signal` is delivered to it, 0 is none.
pub fn resume(pid: i32, until: Until, signal: i32) -> SysResult<()> {
    let request = match until {
        Until::Event => libc::PTRACE_CONT,
        Until::Call => libc::PTRACE_SYSCALL,
    };
    plain(request, pid, signal as usize)
}

/// Leaves a process in its group stop, and hears when that ends.
pub fn listen(pid: i32) -> SysResult<()> {
    plain(libc::PTRACE_LISTEN, pid, 0)
}

/// Ends the tracing of a stopped process, which goes on.
pub fn detach(pid: i32) -> SysResult<()> {
    plain(libc::PTRACE_DETACH, pid, 0)
}

fn plain(request: libc::c_uint, pid: i32, data: usize) -> SysResult<()> {
    // WHY: as in `seize`.
    // SAFETY: CONT, SYSCALL, LISTEN and DETACH take a pid and a signal's number. man: ptrace(2)
    let returned = unsafe { libc::ptrace(request, pid, 0usize, data) };
    check(Call::Ptrace, returned).map(drop)
}

/// What an event is about: the new process, or the former id of the thread that made the exec.
pub fn message(pid: i32) -> SysResult<i32> {
    let mut message: libc::c_ulong = 0;
    // WHY: as in `seize`.
    // SAFETY: the kernel writes one unsigned long to the pointer. man: ptrace(2)
    let returned = unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, pid, 0usize, &raw mut message) };
    check(Call::Ptrace, returned)?;
    Ok(message as i32)
}

/// What it is at, for one that stopped at a system call. Linux 5.3.
pub fn moment(pid: i32) -> SysResult<Moment> {
    // SAFETY: all-zero is a valid value of this plain structure of integers.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    // WHY: as in `seize`; registers would have to be read for each architecture in its own way.
    // SAFETY: the kernel writes at most `size` bytes to the pointer. man: ptrace(2)
    let returned = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info) };
    check(Call::Ptrace, returned)?;
    Ok(match info.op {
        ENTRY => {
            // SAFETY: `op` says that this field of the union was written.
            let entry = unsafe { info.u.entry };
            Moment::Entry(Entry {
                arch: info.arch,
                pointer: info.instruction_pointer,
                number: entry.nr,
                args: entry.args,
            })
        }
        EXIT => {
            // SAFETY: `op` says that this field of the union was written.
            let exit = unsafe { info.u.exit };
            let failed = exit.is_error != 0;
            Moment::Exit(if failed { Err(exit.sval.unsigned_abs() as i32) } else { Ok(exit.sval) })
        }
        _ => Moment::Other,
    })
}

/// The next thing that a process we trace has to say; `None` where there is none now. Children that we do
/// not trace are left alone: without `__WALL`, `__WCLONE` means those that are traced, and children
/// whose end sends no SIGCHLD, of which we have none.
pub fn next() -> SysResult<Option<Change>> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WSTOPPED | libc::__WCLONE)
}

/// The same, but the end of this one is left for others to see.
pub fn next_but_end_of(pid: i32) -> SysResult<Option<Change>> {
    let any = libc::WEXITED | libc::WSTOPPED | libc::__WCLONE | libc::WNOWAIT;
    match wait(libc::P_ALL, 0, any)? {
        Some(Change { pid: seen, what: What::Ended }) if seen == pid => Ok(None),
        Some(Change { pid, .. }) => {
            wait(libc::P_PID, pid.unsigned_abs(), libc::WEXITED | libc::WSTOPPED | libc::__WALL)
        }
        None => Ok(None),
    }
}

fn wait(kind: libc::idtype_t, id: libc::id_t, options: libc::c_int) -> SysResult<Option<Change>> {
    // SAFETY: all-zero is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // WHY: nix turns statuses that it does not know into errors.
    // SAFETY: the kernel writes one siginfo_t to the pointer. man: waitid(2)
    let returned = unsafe { libc::waitid(kind, id, &raw mut info, options | libc::WNOHANG) };
    match check(Call::Wait, returned.into()) {
        // Nobody is traced any more, or the one is gone.
        Err(error) if error.errno() == Errno::ECHILD => return Ok(None),
        other => other?,
    };
    // SAFETY: waitid filled it in, or left the zeros. man: waitid(2)
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let what = match info.si_code {
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => What::Ended,
        _ => stop(status),
    };
    Ok(Some(Change { pid, what }))
}

/// Of a stop the status is the signal, and the event above it.
fn stop(status: libc::c_int) -> What {
    const CALL: libc::c_int = libc::SIGTRAP | 0x80;
    match (status >> 8, status & 0xff) {
        (0, CALL) => What::Call,
        (0, signal) => What::Signal(signal),
        (event, signal) => What::Event { event, signal },
    }
}

/// Copies what is at `address` of another process; how many bytes there were. Less than all of it where
/// a page after it is not there.
pub fn read_memory(pid: i32, address: u64, into: &mut [u8]) -> SysResult<usize> {
    let Ok(base) = usize::try_from(address) else {
        return Err(SysError::new(Call::ReadMemory, Errno::EFAULT));
    };
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: base as *mut libc::c_void, iov_len: into.len() };
    // WHY: nix's takes the other side as a list on the heap.
    // SAFETY: the kernel writes at most `into.len()` bytes to it; the other address is never
    // dereferenced here. man: process_vm_readv(2)
    let returned =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    check(Call::ReadMemory, returned as libc::c_long).map(|read| read.unsigned_abs() as usize)
}
