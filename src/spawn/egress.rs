//! The egress process: a child of the supervisor, in the host's network and out of everything else.
//!
//! It parses what the connector sends, so it is confined as well: no descriptor of the supervisor, no
//! capability, no file but the firewall's and the resolver's, no exec.

use crate::egress::process::Birth;
use crate::egress::{self, Config};
use crate::failure::{Failure, Kind};
use crate::firewall::Rules;
use crate::sys::clone::{Cloned, clone3, leave};
use crate::sys::fd::{close_between, dup_onto, duplicate};
use crate::sys::{Call, Sys, SysError, SysResult, process};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::Mode;
use nix::unistd::{self, pipe2};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Above the standard streams and what replaces them.
const HIGH: i32 = 16;

/// The supervisor's end.
pub struct Egress {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// A pipe of JSON lines, each an [`crate::egress::Event`].
    pub events: OwnedFd,
    /// Closed, it tells the process to end.
    pub stop: Option<OwnedFd>,
}

impl Drop for Egress {
    /// However the supervisor leaves. The call only fails where the process is gone already.
    fn drop(&mut self) {
        if process::send_signal(self.pidfd.as_fd(), libc::SIGKILL).is_ok() {
            process::reap_pidfd(self.pidfd.as_fd());
        }
    }
}

/// Starts it. `sockets` is the receiving end of [`super::handover::channel`]; the sockets arrive while the
/// jail sets itself up, beside which this process starts.
pub fn start(
    config: Config,
    overlay: Rules,
    landlock: bool,
    sockets: OwnedFd,
) -> Result<Egress, Failure> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| refused(errno.desc()));
    let (events, tell) = pipe()?;
    let (stopped, stop) = pipe()?;
    match clone3(0, None).map_err(refused)? {
        Cloned::Parent { pid, pidfd } => Ok(Egress { pid, pidfd, events, stop: Some(stop) }),
        Cloned::Child => {
            let birth = Birth { config, overlay, landlock };
            leave(main(birth, [tell.as_fd(), stopped.as_fd(), sockets.as_fd()]))
        }
    }
}

/// Single-threaded, as its parent was when it was cloned: it may allocate.
fn main(birth: Birth, descriptors: [BorrowedFd<'_>; 3]) -> i32 {
    // What stops it before it has its own descriptors is told through this one; without it the
    // supervisor hears of the end alone.
    let Ok(voice) = duplicate(descriptors[0], HIGH) else { return 1 };
    let own = match detach(descriptors) {
        Ok(own) => own,
        Err(error) => {
            egress::process::tell_failed(voice.as_fd(), &refused(error));
            return 1;
        }
    };
    // `detach` has closed it with the rest.
    std::mem::forget(voice);
    if let Err(error) = settle(own[0].as_fd()) {
        egress::process::tell_failed(own[0].as_fd(), &refused(error));
        return 1;
    }
    let [events, stop, sockets] = own;
    i32::from(egress::process::run(birth, events, stop, sockets).is_err())
}

/// Leaves the supervisor's descriptors and terminal, but not its life.
fn detach(descriptors: [BorrowedFd<'_>; 3]) -> SysResult<[OwnedFd; 3]> {
    process::die_with_parent()?;
    process::not_dumpable()?;
    unistd::setsid().sys(Call::Setsid)?;
    let high = duplicates(descriptors, HIGH)?;
    close_between(0, HIGH.unsigned_abs() - 1)?;
    // Gets the lowest number, 0. All three stay open for good.
    let null = open(c"/dev/null", OFlag::O_RDWR, Mode::empty()).sys(Call::Open)?;
    for stream in [1, 2] {
        dup_onto(null.as_fd(), stream)?;
    }
    std::mem::forget(null);
    let own = duplicates(high.each_ref().map(AsFd::as_fd), 3)?;
    drop(high);
    // What the supervisor had open; ours have the numbers 3 to 5.
    close_between(6, u32::MAX)?;
    Ok(own)
}

/// Is the supervisor still there? One that died before the prctl sent no signal. Then signals act again.
fn settle(events: BorrowedFd<'_>) -> SysResult<()> {
    let mut fds = [PollFd::new(events, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).sys(Call::Poll)?;
    if fds[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLERR)) {
        return Err(SysError::new(Call::Poll, Errno::EPIPE));
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).sys(Call::Sigprocmask)
}

fn duplicates(of: [BorrowedFd<'_>; 3], least: i32) -> SysResult<[OwnedFd; 3]> {
    let [one, two, three] = of;
    Ok([duplicate(one, least)?, duplicate(two, least)?, duplicate(three, least)?])
}

fn refused(why: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Refused, "cannot start the egress process").because(why)
}
