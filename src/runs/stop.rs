//! Ends runs: asks their supervisors, then tells them, then kills them.

use super::{Run, STOP_NOW};
use crate::audit::Born;
use crate::failure::{Failure, Kind};
use crate::host::process;
use crate::sys::probe::calls::pidfd_open;
use crate::sys::process::send_signal;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use serde::Serialize;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a supervisor may take to end its connector when it is told to.
const ORDERED: Duration = Duration::from_secs(5);
/// A child that was just cloned holds the lock of its entry for a moment longer than its parent.
const LET_GO: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was gone before anybody asked.
    Gone,
    /// When it was asked to (SIGTERM).
    Asked,
    /// Its supervisor killed it.
    Killed,
    /// Its supervisor did not answer and was killed itself: the audit log has no end of this run.
    SupervisorKilled,
    /// It still runs.
    Runs,
    /// It still runs, and its process cannot be found from here: it is in another PID namespace.
    OutOfReach,
}

impl Outcome {
    /// Has it ended?
    pub fn over(self) -> bool {
        !matches!(self, Self::Runs | Self::OutOfReach)
    }
}

/// A supervisor that is to end.
#[derive(Debug)]
pub struct Stopping {
    pub outcome: Outcome,
    process: Option<OwnedFd>,
}

impl Stopping {
    /// The process that began then, and no other that has its number now.
    pub fn new(pid: u32, born: Option<&Born>) -> Result<Self, Failure> {
        let gone = Self { outcome: Outcome::Gone, process: None };
        let number = i32::try_from(pid).unwrap_or(0);
        let process = match pidfd_open(Pid::from_raw(number)) {
            Ok(process) => process,
            Err(Errno::ESRCH) => return Ok(gone),
            Err(errno) => {
                let what = format!("cannot reach process {pid}");
                return Err(Failure::new(Kind::Io, what).because(errno.desc()));
            }
        };
        // Looked at after it was opened: one that has its number later began later.
        if born.is_some() && process::born(pid).as_ref() == born {
            Ok(Self { outcome: Outcome::Runs, process: Some(process) })
        } else {
            Ok(gone)
        }
    }

    /// A run that has an entry. Its lock says whether it lives, also where no process here is meant by its number.
    pub fn of(run: &Run) -> Result<Self, Failure> {
        let found = Self::new(run.record.pid, run.record.born.as_ref())?;
        let until = Instant::now() + LET_GO;
        while found.outcome == Outcome::Gone && run.lives() {
            if Instant::now() >= until {
                return Ok(Self { outcome: Outcome::OutOfReach, process: None });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(found)
    }

    fn runs(&self) -> Option<&OwnedFd> {
        self.process.as_ref().filter(|_| self.outcome == Outcome::Runs)
    }
}

/// Ends all of them: at once, or after they had `patience` to do it themselves. Each has its outcome then.
pub fn stop(all: &mut [Stopping], patience: Duration, at_once: bool) -> Result<(), Failure> {
    let steps = [
        (libc::SIGTERM, patience, Outcome::Asked),
        (STOP_NOW, ORDERED, Outcome::Killed),
        (libc::SIGKILL, ORDERED, Outcome::SupervisorKilled),
    ];
    for (signal, patience, outcome) in steps.into_iter().skip(usize::from(at_once)) {
        for process in all.iter().filter_map(Stopping::runs) {
            if let Err(error) = send_signal(process.as_fd(), signal)
                && error.errno() != Errno::ESRCH
            {
                return Err(Failure::new(Kind::Io, "cannot signal a supervisor").because(error));
            }
        }
        wait(all, patience, outcome)?;
    }
    Ok(())
}

fn wait(all: &mut [Stopping], patience: Duration, outcome: Outcome) -> Result<(), Failure> {
    let until = Instant::now() + patience;
    loop {
        let mut fds: Vec<PollFd<'_>> = all
            .iter()
            .filter_map(Stopping::runs)
            .map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN))
            .collect();
        if fds.is_empty() {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that the time is over when poll says so.
        let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
        let ready = match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Failure::new(Kind::Io, "poll failed").because(errno.desc())),
        };
        if ready == 0 && Instant::now() >= until {
            return Ok(());
        }
        let over: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let running = all.iter_mut().filter(|one| one.runs().is_some());
        for (one, _) in running.zip(over).filter(|(_, over)| *over) {
            one.outcome = outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper(script: &str) -> (Child, Stopping) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let born = process::born(child.id());
        let stopping = Stopping::new(child.id(), born.as_ref()).unwrap();
        assert_eq!(stopping.outcome, Outcome::Runs);
        (child, stopping)
    }

    #[test]
    fn all_are_asked_and_those_that_do_not_listen_are_told() {
        let (mut obeys, one) = sleeper("exec sleep 60");
        let (mut ignores, two) = sleeper("trap '' TERM; while :; do sleep 0.05; done");
        // The trap is set before the loop's first sleep, not before its process.
        std::thread::sleep(Duration::from_millis(200));
        let mut all = [one, two];
        stop(&mut all, Duration::from_millis(500), false).unwrap();
        // To a shell STOP_NOW is one of the signals that end it.
        assert_eq!([all[0].outcome, all[1].outcome], [Outcome::Asked, Outcome::Killed]);
        obeys.wait().unwrap();
        ignores.wait().unwrap();
    }

    #[test]
    fn a_process_that_only_has_the_number_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let born = process::born(child.id()).unwrap();
        let earlier = Born { ticks: born.ticks - 1, ..born };
        for born in [Some(earlier), None] {
            let mut other = [Stopping::new(child.id(), born.as_ref()).unwrap()];
            assert_eq!(other[0].outcome, Outcome::Gone);
            stop(&mut other, Duration::ZERO, true).unwrap();
        }
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let mut gone = [Stopping::new(child.id(), None).unwrap()];
        stop(&mut gone, Duration::ZERO, true).unwrap();
        assert_eq!(gone[0].outcome, Outcome::Gone);
    }
}
