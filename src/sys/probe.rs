//! Children that try something and say how it went.
//!
//! A probe asks the kernel itself: a version number says nothing about what a container's filter, a
//! security module or a sysctl allows. Each attempt is made in a child, so that nothing it changes
//! (namespaces, mounts, filters) reaches this process.
#![expect(unsafe_code, reason = "clone3(2) and _exit(2), and the calls in `calls`")]

pub mod calls;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// `CLONE_INTO_CGROUP`, which does not fit the int that libc gives it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// No probe takes longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The call that failed in an attempt, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// The call with what it was about: `write(/proc/self/uid_map)`.
    pub call: String,
    pub errno: Option<Errno>,
    /// What an error number does not say.
    pub note: String,
}

impl Fail {
    /// A call that returned an error number.
    pub fn errno(call: impl Into<String>, errno: Errno) -> Self {
        Self { call: call.into(), errno: Some(errno), note: String::new() }
    }

    /// An attempt that went wrong without an error number.
    pub fn note(call: impl Into<String>, note: impl Into<String>) -> Self {
        Self { call: call.into(), errno: None, note: note.into() }
    }

    /// For `map_err` on I/O errors.
    pub fn io(call: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let call = call.into();
        move |e| match e.raw_os_error() {
            Some(number) => Self::errno(call, Errno::from_raw(number)),
            None => Self::note(call, e.to_string()),
        }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno:?}")?;
        }
        if !self.note.is_empty() {
            write!(f, ": {}", self.note)?;
        }
        Ok(())
    }
}

/// How an attempt went: what it saw, or what failed.
pub type Outcome = Result<String, Fail>;

/// The right to fork: proof that this process has one thread.
#[derive(Debug, Clone, Copy)]
pub struct Prober(());

impl Prober {
    /// Fails where this process has, or may have, more than one thread: a child of such a process
    /// could wait for ever for a lock that another thread held.
    pub fn new() -> Result<Self, String> {
        let alone = match std::fs::read_dir("/proc/self/task") {
            Ok(tasks) => tasks.count() == 1,
            // Without /proc: this does nothing in a process with one thread and gives EINVAL in any
            // other, unshare(2).
            Err(_) => nix::sched::unshare(CloneFlags::from_bits_retain(libc::CLONE_THREAD)).is_ok(),
        };
        if alone { Ok(Self(())) } else { Err("not known to have a single thread".into()) }
    }

    /// Runs `body` in a child made by clone3 with these flags (`CLONE_NEW…`), or, with none, by
    /// fork: so that a filter that hides clone3 is not taken for the lack of what `body` tries.
    pub fn child(self, flags: u64, body: impl FnOnce() -> Outcome) -> Outcome {
        self.child_in(flags, None, body)
    }

    /// The same, born in the cgroup whose directory this is.
    pub fn child_in(
        self,
        flags: u64,
        cgroup: Option<BorrowedFd<'_>>,
        body: impl FnOnce() -> Outcome,
    ) -> Outcome {
        let (mut reader, writer) = std::io::pipe().map_err(Fail::io("pipe"))?;
        let cgroup = cgroup.map(|fd| fd.as_raw_fd());
        let born = if flags == 0 && cgroup.is_none() {
            fork().map_err(|e| Fail::errno("fork", e))
        } else {
            clone3(flags, cgroup).map_err(|e| Fail::errno("clone3", e))
        };
        match born? {
            None => in_child(body, writer),
            Some(pid) => {
                drop(writer);
                let report = read_report(&mut reader, pid);
                let status = reap(pid)?;
                report.map_err(Fail::io("read"))?.unwrap_or_else(|| Err(ended(status)))
            }
        }
    }
}

/// The child's side: the attempt, one report, the end. Never returns, not even by a panic, which
/// would run the parent's code a second time.
fn in_child(body: impl FnOnce() -> Outcome, mut writer: PipeWriter) -> ! {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err(Fail::note("probe", "panicked")));
    let report = match outcome {
        Ok(seen) => format!("ok\x1f{seen}"),
        Err(fail) => {
            let errno = fail.errno.map_or(0, |e| e as i32);
            format!("fail\x1f{}\x1f{errno}\x1f{}", fail.call, fail.note)
        }
    };
    let code = i32::from(writer.write_all(report.as_bytes()).is_err());
    // WHY: exit(3) would run the parent's exit handlers and flush its buffers a second time.
    // https://man7.org/linux/man-pages/man2/_exit.2.html
    // SAFETY: takes no pointer, and ends the process: nothing after it can see a broken state.
    unsafe { libc::_exit(code) }
}

fn parse(report: &str) -> Option<Outcome> {
    let mut fields = report.split('\x1f');
    match (fields.next()?, fields.next()?, fields.next(), fields.next()) {
        ("ok", seen, ..) => Some(Ok(seen.to_owned())),
        ("fail", call, Some(errno), Some(note)) => {
            let errno = errno.parse().ok().filter(|n| *n != 0).map(Errno::from_raw);
            Some(Err(Fail { call: call.to_owned(), errno, note: note.to_owned() }))
        }
        _ => None,
    }
}

/// Reads until the child ends or takes too long, then kills it. `None`: it said nothing.
fn read_report(reader: &mut (impl Read + AsFd), pid: Pid) -> std::io::Result<Option<Outcome>> {
    let until = Instant::now() + PATIENCE;
    let mut report = Vec::new();
    let mut part = [0u8; 512];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, wait) {
            Err(Errno::EINTR) => continue,
            Ok(0) => {
                // It may be ended just now; waitpid says in any case how it went.
                kill(pid, Signal::SIGKILL).ok();
                return Ok(Some(Err(Fail::note("probe", "took too long"))));
            }
            other => other?,
        };
        match reader.read(&mut part) {
            Ok(0) => return Ok(parse(&String::from_utf8_lossy(&report))),
            Ok(n) => report.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn reap(pid: Pid) -> Result<WaitStatus, Fail> {
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            other => return other.map_err(|e| Fail::errno("waitpid", e)),
        }
    }
}

fn ended(status: WaitStatus) -> Fail {
    match status {
        WaitStatus::Signaled(_, signal, _) => Fail::note("probe", format!("killed by {signal}")),
        other => Fail::note("probe", format!("ended without a report ({other:?})")),
    }
}

/// `None` in the child. Private: only a [`Prober`] may fork.
fn fork() -> nix::Result<Option<Pid>> {
    // WHY: nothing safe forks without exec. https://man7.org/linux/man-pages/man2/fork.2.html
    // SAFETY: the caller has one thread (Prober), so the child may run any code: no lock is held by
    // somebody who is not in the child.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child)),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// `None` in the child, as above.
fn clone3(flags: u64, cgroup: Option<i32>) -> nix::Result<Option<Pid>> {
    // WHY: no wrapper of clone3 in nix or libc. https://man7.org/linux/man-pages/man2/clone.2.html
    // SAFETY: all fields are integers, for which zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(fd) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(fd).unwrap_or_default();
    }
    // WHY: as above.
    // SAFETY: `args` lives through the call and its size is passed. Without CLONE_VM the child has a
    // copy of memory and a stack of its own, as after fork(2); the caller has one thread (Prober),
    // so no lock is held by somebody who is not in the child.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, std::mem::size_of::<libc::clone_args>())
    };
    let pid = Errno::result(pid)?;
    Ok(i32::try_from(pid).ok().filter(|pid| *pid != 0).map(Pid::from_raw))
}

/// Opens a file for reading, as an attempt.
pub fn open(path: &str) -> Result<File, Fail> {
    File::open(path).map_err(Fail::io(format!("open({path})")))
}
