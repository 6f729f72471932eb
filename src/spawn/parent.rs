//! The supervisor's side of the clone.

use super::tree::Children;
use super::wire::{Message, RECORD};
use super::{END, Prepared, init};
use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use crate::sys::clone::{Cloned, clone3};
use crate::sys::process::{adopt_orphans, has_children, reap_pidfd, send_signal};
use crate::sys::{Call, Sys, SysError, SysResult};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{self, pipe2};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// For a container's entry to end all and itself, its door being closed.
const ENTRY_GOES: Duration = Duration::from_secs(5);

/// A jail that is being set up or running.
pub struct Jail {
    /// init's pid as the supervisor sees it.
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Records of init and payload.
    pub report: OwnedFd,
    traced: bool,
    leaving: bool,
    /// Without a pid namespace: what comes to us where init is killed.
    orphans: Option<Orphans>,
    /// Of a container: signals go through it, and closing it is the end of all.
    door: Option<OwnedFd>,
}

/// The processes of a run whose init was killed.
enum Orphans {
    /// They become our children, of which we have no other.
    Ours(Children),
    /// We were started with children of our own (`sh -c '… & exec jail …'`), which nothing tells from
    /// the run's: nobody ends these for us.
    Unknown,
}

impl Jail {
    /// SIGKILL is for all of the run. init's death is theirs in a pid namespace; without one, init is told
    /// to end them.
    pub fn signal(&self, signal: i32) -> SysResult<()> {
        if let Some(door) = &self.door {
            let byte = [u8::try_from(signal).unwrap_or(9)];
            return match unistd::write(door, &byte) {
                // The entry is gone, and everything with it.
                Ok(_) | Err(nix::errno::Errno::EPIPE) => Ok(()),
                Err(errno) => Err(SysError::new(Call::Write, errno)),
            };
        }
        let signal = match self.orphans {
            Some(_) if signal == libc::SIGKILL => END,
            _ => signal,
        };
        send_signal(self.pidfd.as_fd(), signal)
    }

    /// The end of it all, before we wait for it. A payload that still waits for its gate, with an init that
    /// sleeps until it has started, learns from the report pipe that nobody will open it.
    fn end(&mut self) -> SysResult<()> {
        if self.orphans.is_none() {
            return self.signal(libc::SIGKILL);
        }
        match self.pidfd.try_clone() {
            Ok(other) => {
                drop(std::mem::replace(&mut self.report, other));
                self.signal(libc::SIGKILL)
            }
            // Without a descriptor to spare: the payload dies with init, the rest comes to us.
            Err(_) => send_signal(self.pidfd.as_fd(), libc::SIGKILL),
        }
    }

    /// After init's end: ends what it could not end itself, having been killed.
    pub fn end_orphans(&self) {
        if let Some(Orphans::Ours(children)) = &self.orphans {
            children.end_all(|_| {});
        }
    }

    /// Until a container's first process has gone, and all others with it: what the connector left is looked
    /// at then, and its engine may not be there to end it.
    fn wait_for_entry(&self) {
        for last in [false, true] {
            if last {
                // Forbidden where it is another user; its engine is asked next.
                send_signal(self.pidfd.as_fd(), libc::SIGKILL).ok();
            }
            let until = Instant::now() + ENTRY_GOES;
            while Instant::now() < until {
                let left = until.saturating_duration_since(Instant::now());
                let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
                let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, left) {
                    Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                    _ => return,
                }
            }
        }
    }

    /// For a jail whose init has said that nothing is left and is leaving by itself: goes on without
    /// waiting for the kernel to take the namespaces down, which takes longer than all else at the end.
    pub fn let_go(mut self) {
        self.leaving = true;
    }
}

impl Drop for Jail {
    /// However the supervisor leaves: nothing of the jail outlives it. Both calls only fail where the
    /// jail is gone already.
    fn drop(&mut self) {
        if self.leaving {
            return;
        }
        if let Some(door) = &self.door {
            // What is not connected any more is ended already.
            shutdown(door.as_raw_fd(), Shutdown::Both).ok();
            self.wait_for_entry();
            return;
        }
        if self.end().is_ok() {
            if self.traced {
                reap_traced(self.pidfd.as_fd());
            }
            reap_pidfd(self.pidfd.as_fd());
        }
        self.end_orphans();
    }
}

/// The kernel keeps init until all that was traced is reaped, which only its tracer can do.
fn reap_traced(init: BorrowedFd<'_>) {
    const AGAIN: u8 = 10;
    loop {
        while let Ok(Some(_)) = crate::sys::ptrace::next() {}
        match poll(&mut [PollFd::new(init, PollFlags::POLLIN)], PollTimeout::from(AGAIN)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// A container, whose first process reports through its door. `pid` is that process, which is none of our
/// children.
pub fn contained(pid: i32, door: &OwnedFd) -> Result<Jail, Failure> {
    let lost = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::Refused, "cannot watch the container").because(error)
    };
    let pidfd = crate::sys::process::pidfd(pid).map_err(|error| lost(&error))?;
    let copy = || door.try_clone().map_err(|error| lost(&error));
    let (report, door) = (copy()?, Some(copy()?));
    Ok(Jail { pid, pidfd, report, traced: false, leaving: false, orphans: None, door })
}

/// Clones init. On return the jail sets itself up; `report` tells how that goes.
///
/// Every signal is blocked over the clone, so that init, which keeps them blocked, never runs a
/// handler or dies of a signal that was meant for the supervisor.
pub fn start(prepared: &Prepared<'_>, cgroup: Option<BorrowedFd<'_>>) -> Result<Jail, Failure> {
    let result = (|| {
        alone()?;
        if prepared.plan.ids.drop_groups {
            drop_groups()?;
        }
        let orphans = match &prepared.plan.host_view {
            Some(_) => Some(adopt()?),
            None => None,
        };
        let (report, theirs) = pipe2(OFlag::O_CLOEXEC).sys(Call::Pipe)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).sys(Call::Sigprocmask)?;
        match clone3(prepared.plan.namespaces, cgroup)? {
            Cloned::Child => {
                // Without this the poll for a dead supervisor would see ourselves as its reader.
                drop(report);
                init::main(prepared, theirs)
            }
            Cloned::Parent { pid, pidfd } => {
                let traced = prepared.plan.exec.traced;
                Ok(Jail { pid, pidfd, report, traced, leaving: false, orphans, door: None })
            }
        }
    })();
    result.map_err(|error| refused(prepared, error))
}

fn adopt() -> SysResult<Orphans> {
    if has_children() {
        return Ok(Orphans::Unknown);
    }
    adopt_orphans()?;
    Children::open().map(Orphans::Ours)
}

/// Where root is root of a user namespace that denies setgroups (`unshare -r`), it keeps its groups as
/// every other user does.
fn drop_groups() -> SysResult<()> {
    match unistd::setgroups(&[]) {
        Err(nix::errno::Errno::EPERM) if setgroups_denied() => Ok(()),
        other => other.sys(Call::Setgroups),
    }
}

fn setgroups_denied() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
}

/// A lock held by another thread would stay locked in the child for ever.
fn alone() -> SysResult<()> {
    // "." and ".." and one entry per thread are linked to a folder of /proc.
    let links = nix::sys::stat::stat(c"/proc/self/task").sys(Call::Fstat)?.st_nlink;
    if links == 3 { Ok(()) } else { Err(SysError::new(Call::Clone3, nix::errno::Errno::EBUSY)) }
}

fn refused(prepared: &Prepared<'_>, error: SysError) -> Failure {
    let stage = Stage::Namespaces;
    let names = crate::plan::explain::namespaces(prepared.plan.namespaces).join(", ");
    let what = match prepared.plan.host_view {
        Some(_) => "cannot start jail's own process beside the connector".to_owned(),
        None => format!("cannot make the namespaces ({names})"),
    };
    let failure = Failure::new(Kind::Refused, what).at(stage).because(error);
    super::hints::add(failure, stage, error)
}

/// Takes whole records out of the report pipe; an empty result is "nothing yet", `None` the end.
pub fn receive(report: BorrowedFd<'_>) -> Result<Option<Vec<Message>>, Failure> {
    let mut buffer = [0u8; RECORD * 64];
    match unistd::read(report, &mut buffer) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(
            buffer[..length]
                .chunks_exact(RECORD)
                .filter_map(|chunk| Message::decode(chunk.try_into().ok()?))
                .collect(),
        )),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(Some(Vec::new())),
        Err(errno) => Err(Failure::new(Kind::Io, "cannot hear what the jail reports")
            .because(SysError::new(Call::Read, errno))),
    }
}
