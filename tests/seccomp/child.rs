//! System calls made for real, each in a process of its own that has loaded a filter.

use jail::seccomp::bpf::{self, Insn, RETURN};
use jail::seccomp::table::ALLOW;
use nix::errno::Errno;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// How many calls were made for real, by what the filter did with them.
pub(crate) static PASSED: AtomicUsize = AtomicUsize::new(0);
pub(crate) static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// An errno that no kernel returns, so that a refusal by the filter looks like nothing else: with
/// this added, EPERM of the filter is 4001 and ENOSYS of it 4038.
pub(crate) const MARK: i64 = 4000;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The filter answered with this errno.
    Refused(i64),
    /// The kernel saw the call: its result, or minus its errno.
    Reached(i64),
    /// The process ended in the call, with this wait status.
    Ended(i32),
}

/// The same filter with its refusals marked.
pub(crate) fn marked(program: &[u8]) -> Vec<u8> {
    let mark = |insn: Insn| match insn.k {
        k if insn.code == RETURN && k != ALLOW => Insn { k: k + MARK as u32, ..insn },
        _ => insn,
    };
    let program = bpf::decode(program).expect("a whole program");
    bpf::encode(&program.into_iter().map(mark).collect::<Vec<_>>())
}

/// Runs `act` in a child under `filter` and gives what it left in the shared word, and how it ended.
/// `act` must be fit for a process that was forked off one with threads: no allocation, no lock.
pub(crate) fn under(filter: Option<&[u8]>, act: &dyn Fn() -> i64) -> (Option<i64>, i32) {
    const UNSET: i64 = i64::MIN;
    let word = Shared::new();
    word.get().store(UNSET, Ordering::SeqCst);
    // SAFETY: the child calls only `prctl`, `seccomp`, what `act` calls, and `_exit`; see fork(2) on
    // processes with threads.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", io::Error::last_os_error());
    if child == 0 {
        // SAFETY: sets a flag of this process; see PR_SET_NO_NEW_PRIVS(2const).
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        if filter.is_none_or(|filter| jail::sys::seccomp::load(filter).is_ok()) {
            word.get().store(act(), Ordering::SeqCst);
        }
        // SAFETY: ends this child without running what the parent's exit would run.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours to write; the child is ours to wait for.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child, "waitpid: {}", io::Error::last_os_error());
    let left = word.get().load(Ordering::SeqCst);
    ((left != UNSET).then_some(left), status)
}

/// One call under a filter with marked refusals.
pub(crate) fn call(filter: &[u8], number: u32, args: &[u64; 6]) -> Outcome {
    judge(under(Some(filter), &|| raw(number, args)))
}

/// The outcome of a child that made one call; counts it.
pub(crate) fn judge((left, status): (Option<i64>, i32)) -> Outcome {
    let outcome = match left {
        Some(result) if -result >= MARK => Outcome::Refused(-result - MARK),
        Some(result) => Outcome::Reached(result),
        None => Outcome::Ended(status),
    };
    match outcome {
        Outcome::Refused(_) => REFUSED.fetch_add(1, Ordering::Relaxed),
        Outcome::Reached(_) | Outcome::Ended(_) => PASSED.fetch_add(1, Ordering::Relaxed),
    };
    outcome
}

/// Many calls that the filter is known to refuse, in one child. Gives the first that it does not.
pub(crate) fn all_refused(
    filter: &[u8],
    calls: &[(u32, i64)],
    args: &[u64; 6],
) -> Result<(), String> {
    let (left, status) = under(Some(filter), &|| {
        let wrong = |(number, errno): &(u32, i64)| raw(*number, args) != -(MARK + errno);
        calls.iter().position(wrong).map_or(-1, |at| at as i64)
    });
    match left {
        Some(-1) => {
            REFUSED.fetch_add(calls.len(), Ordering::Relaxed);
            Ok(())
        }
        Some(at) => Err(format!("call {:#x} was not refused", calls[at as usize].0)),
        None => Err(format!("the child ended with status {status:#x}")),
    }
}

/// The call itself: its result, or minus its errno.
pub(crate) fn raw(number: u32, [a, b, c, d, e, f]: &[u64; 6]) -> i64 {
    // SAFETY: callers pick arguments that name no memory of this process; it is a child that ends
    // right after.
    let result = unsafe { libc::syscall(i64::from(number), *a, *b, *c, *d, *e, *f) };
    if result == -1 { -i64::from(Errno::last_raw()) } else { result }
}

/// A word that parent and child share.
struct Shared(*mut libc::c_void);

impl Shared {
    fn new() -> Self {
        let (kind, size) = (libc::MAP_SHARED | libc::MAP_ANONYMOUS, size_of::<AtomicI64>());
        // SAFETY: a new mapping; nothing else lies there. See mmap(2).
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, kind, -1, 0)
        };
        assert_ne!(at, libc::MAP_FAILED, "mmap: {}", io::Error::last_os_error());
        Self(at)
    }

    fn get(&self) -> &AtomicI64 {
        // SAFETY: mapped, aligned to a page, and unmapped only when `self` goes.
        unsafe { &*self.0.cast() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, and nobody refers to it any more.
        unsafe { libc::munmap(self.0, size_of::<AtomicI64>()) };
    }
}
