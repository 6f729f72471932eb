//! The payload's own session, resource limits and descriptors.

use crate::plan::{Rlimit, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::{Call, Sys, SysError, SysResult, fd, process, terminal};
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::resource::{getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, fstat};
use nix::unistd;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Witness.
pub struct Enforced(());

/// Steps before the resource limits.
pub const STEPS: [&str; 3] = [
    "start a session of its own, without a terminal",
    "close every descriptor but stdin, stdout and stderr at exec",
    "unblock every signal; default actions, but an ignored HUP, INT or QUIT stays ignored",
];

/// `standard` replaces stdout and stderr where the supervisor relays them.
pub struct Streams<'a> {
    pub stderr: Option<BorrowedFd<'a>>,
    /// A pseudo-terminal that becomes all three streams and the controlling terminal.
    pub terminal: Option<BorrowedFd<'a>>,
}

/// Applies all of it to the process that will become the connector.
pub fn apply(limits: &[Rlimit], streams: &Streams<'_>) -> Result<Enforced, Fault> {
    if !broken(Control::Session) {
        unistd::setsid().sys(Call::Setsid).at(Stage::Limits, 0)?;
    }
    connect(streams).at(Stage::Limits, 0)?;
    if !broken(Control::CloseOnExec) {
        fd::close_on_exec_from(3).at(Stage::Limits, 1)?;
    }
    if !broken(Control::Signals) {
        signals().at(Stage::Limits, 2)?;
    }
    let limits = if broken(Control::Rlimits) { &[] } else { limits };
    for (index, limit) in limits.iter().enumerate() {
        set(limit).at(Stage::Limits, STEPS.len() + index)?;
    }
    Ok(Enforced(()))
}

/// As a program expects to be started, whatever jail's own parent blocked or ignored.
///
/// nohup(1) ignores HUP, and a shell without job control INT and QUIT, so that what they start does:
/// those are passed on. The dispositions come first: what is pending acts when it is unblocked.
fn signals() -> SysResult<()> {
    let kept = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGSTOP];
    for signal in (1..32).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        if !kept.contains(&signal) {
            process::default_action(signal)?;
        }
    }
    let none = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&none), None).sys(Call::Sigprocmask)
}

/// The host's /dev/null as a stream becomes the jail's: root's connector owns that node, and could
/// change its mode for everybody by the descriptor.
fn own_null(stream: BorrowedFd<'_>) -> SysResult<()> {
    let stat = match fstat(stream) {
        // A stream that is closed is the connector's to find out.
        Err(nix::errno::Errno::EBADF) => return Ok(()),
        stat => stat.sys(Call::Fstat)?,
    };
    let flags = fcntl(stream, FcntlArg::F_GETFL).sys(Call::Fcntl)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != libc::makedev(1, 3) {
        return Ok(());
    }
    let mode = OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE;
    let null = open(c"/dev/null", mode | OFlag::O_CLOEXEC, Mode::empty()).sys(Call::Open)?;
    fd::dup_onto(null.as_fd(), stream.as_raw_fd())
}

fn connect(streams: &Streams<'_>) -> SysResult<()> {
    if let Some(pty) = streams.terminal {
        terminal::take_controlling(pty)?;
        for stream in 0..3 {
            fd::dup_onto(pty, stream)?;
        }
    } else if let Some(stderr) = streams.stderr {
        fd::dup_onto(stderr, 2)?;
    }
    if streams.terminal.is_none() && !broken(Control::OwnNull) {
        own_null(std::io::stdin().as_fd())?;
        own_null(std::io::stdout().as_fd())?;
    }
    Ok(())
}

/// Lowers a limit for good. Where the caller's own hard limit is lower still, that one stays.
fn set(limit: &Rlimit) -> SysResult<()> {
    let (_, hard) = getrlimit(limit.resource).sys(Call::Getrlimit)?;
    let value = limit.value.min(hard);
    setrlimit(limit.resource, value, value).sys(Call::Setrlimit)?;
    let read_back = getrlimit(limit.resource).sys(Call::Getrlimit)?;
    if read_back == (value, value) { Ok(()) } else { Err(SysError::unverified()) }
}

/// Keeps `AsFd` in scope for callers that build [`Streams`] from owned descriptors.
pub fn borrow(fd: &std::os::fd::OwnedFd) -> BorrowedFd<'_> {
    fd.as_fd()
}
