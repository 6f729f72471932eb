//! How a run ended.

use super::refusals::Refused;
use super::{Asked, Told};
use crate::egress::Counters;
use crate::exit;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::time::Duration;

/// What ended the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Itself, with this status.
    Exit(u8),
    Signal(i32),
    /// The wall-clock limit.
    Timeout,
    /// It lived on after its client had gone.
    Hangup,
}

/// A run that took place.
#[derive(Debug)]
pub struct Ended {
    pub by: EndedBy,
    /// The wait status of the connector itself, where init could still report it.
    pub status: Option<i32>,
    pub wall: Duration,
    /// User and system time of everything in the jail.
    pub cpu: Duration,
    /// The last lines of its stderr, where the supervisor relayed it.
    pub stderr_tail: Vec<u8>,
    /// What went through the egress process, where there was one.
    pub egress: Option<Counters>,
    /// What seccomp refused the connector, where that could be heard.
    pub refused: Option<Refused>,
    /// How many different refusals were seen, where the run was traced.
    pub traced: Option<u64>,
    /// Who asked for the end last, where that is known.
    pub asked: Option<Asked>,
    pub told: Told,
}

impl Ended {
    /// The exit code of `jail run`.
    pub fn code(&self) -> u8 {
        match self.by {
            EndedBy::Exit(code) => code,
            EndedBy::Signal(signal) => exit::signalled(u8::try_from(signal).unwrap_or(127)),
            EndedBy::Timeout => exit::TIMEOUT,
            // Its client has gone; the status is for whoever reads logs.
            EndedBy::Hangup => self.status.map_or(exit::signalled(9), |status| match of(status) {
                EndedBy::Exit(code) => code,
                _ => exit::signalled(15),
            }),
        }
    }
}

fn of(status: i32) -> EndedBy {
    if libc::WIFEXITED(status) {
        EndedBy::Exit(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    } else {
        EndedBy::Signal(libc::WTERMSIG(status))
    }
}

/// From the connector's status, or from what killed init.
pub(super) fn by(status: Option<i32>, killed_by: Option<i32>) -> EndedBy {
    match status {
        Some(status) => of(status),
        None => EndedBy::Signal(killed_by.unwrap_or(libc::SIGKILL)),
    }
}

/// Processor time of all children that were waited for; init's include its own children's.
pub(super) fn cpu_of_children() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
