//! `--sandbox=none`: the connector runs with all of its owner's rights, loudly.
//!
//! It is supervised all the same: its stderr is relayed, signals are passed on, and `jail stop` ends it with
//! what it has started.

use super::entry::{Entry, of_policy, words};
use crate::audit::RunId;
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use crate::policy::Policy;
use crate::policy::load::Sources;
use crate::runs::STOP_NOW;
use crate::spawn::tree::Children;
use crate::supervise::{Asked, EndedBy, Relay, take_signals};
use crate::sys::process::{adopt_orphans, dies_with_us, has_children, signal_group, signal_one};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::io::{IsTerminal, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Runs it where `accepted`, and records that nothing was confined.
pub fn run(policy: &Policy, sources: &Sources, accepted: bool, quiet: bool) -> Result<u8, Failure> {
    if !accepted {
        let by = &policy.sandbox.origin;
        return Err(Failure::new(
            Kind::Refused,
            format!("no sandbox ({by}) means all of your rights"),
        )
        .hint("say --i-accept-no-sandbox as well if that is what you want"));
    }
    let (audit, id) = (super::audit::Audit::for_sources(sources)?, RunId::fresh());
    let entry = Entry::begin(&of_policy(policy, id.as_str(), &audit), &audit, quiet);
    let result = recorded(policy, &audit, id, &entry);
    match &result {
        Ok((code, by)) => entry.end(*code, &words(*by)),
        Err(failure) => entry.failed(failure),
    }
    result.map(|(code, _)| code)
}

fn recorded(
    policy: &Policy,
    audit: &super::audit::Audit,
    id: RunId,
    entry: &Entry,
) -> Result<(u8, EndedBy), Failure> {
    let log = audit.start_unjailed(policy, id)?;
    ui::line("jail: NOT CONFINED: this connector runs with all of your rights (--sandbox=none)");
    let started = std::time::Instant::now();
    let mut unjailed = Unjailed::start(policy, entry)?;
    let status = unjailed.watch()?;
    let by = match (status.code(), status.signal()) {
        (Some(code), _) => EndedBy::Exit(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => EndedBy::Signal(signal.unwrap_or(libc::SIGKILL)),
    };
    log.end_unjailed(by, started.elapsed(), unjailed.asked.as_ref())?;
    let code = match by {
        EndedBy::Exit(code) => code,
        EndedBy::Signal(signal) => crate::exit::signalled(u8::try_from(signal).unwrap_or(127)),
        EndedBy::Timeout | EndedBy::Hangup => crate::exit::signalled(15),
    };
    Ok((code, by))
}

struct Unjailed {
    child: Child,
    /// Ready when it has ended.
    process: OwnedFd,
    signals: SignalFd,
    stderr: Relay,
    /// It leads a group of its own, which a signal is for.
    group: bool,
    /// What has lost its parent comes to us, unless we had children before.
    orphans: Option<Children>,
    asked: Option<Asked>,
}

impl Unjailed {
    fn start(policy: &Policy, entry: &Entry) -> Result<Self, Failure> {
        let io = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(Kind::Io, what.to_owned()).because(error)
        };
        let Some((program, args)) = policy.command.value.split_first() else {
            return Err(Failure::new(Kind::Policy, "the command is empty"));
        };
        let orphans = if has_children() {
            None
        } else {
            adopt_orphans().map_err(|error| io("cannot adopt processes", &error))?;
            Some(Children::open().map_err(|error| io("cannot see processes", &error))?)
        };
        let (relay, stderr) = super::pipe()?;
        let signals = take_signals(&super::mask()?)
            .map_err(|errno| io("cannot wait for signals", &errno.desc()))?;
        // At a terminal it must be in our group, or it could not read.
        let group = !stdin().is_terminal();
        let mut command = Command::new(program);
        command.args(args).stderr(Stdio::from(stderr));
        if group {
            command.process_group(0);
        }
        let child = dies_with_us(&mut command).spawn().map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => Kind::NotFound,
                _ => Kind::CannotStart,
            };
            let what = format!("cannot start {}", program.to_string_lossy());
            Failure::new(kind, what).because(error)
        })?;
        // The command has our copy of the other end of the pipe, without which it would never end.
        drop(command);
        let process = pid(&child)
            .and_then(|pid| crate::sys::probe::calls::pidfd_open(Pid::from_raw(pid)))
            .map_err(|errno| io("cannot watch the connector", &errno.desc()))?;
        let stderr = Relay::new(Some(relay), entry.log());
        Ok(Self { child, process, signals, stderr, group, orphans, asked: None })
    }

    /// Until the connector itself ends. What it has started may live on, as without jail, unless it was
    /// ordered to end.
    fn watch(&mut self) -> Result<ExitStatus, Failure> {
        let poll_failed =
            |errno: Errno| Failure::new(Kind::Io, "poll failed").because(errno.desc());
        loop {
            let mut fds = vec![
                PollFd::new(self.process.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            fds.extend(self.stderr.poll_fd());
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(poll_failed(errno)),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            drop(fds);
            if ready.get(2).copied().unwrap_or(false) {
                self.stderr.step();
            }
            if ready[1] {
                self.forward();
            }
            if ready[0] {
                let status = self.child.wait();
                self.stderr.drain();
                return status.map_err(|error| {
                    Failure::new(Kind::Io, "cannot wait for the connector").because(error)
                });
            }
        }
    }

    fn forward(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            self.asked = Asked::of(&info).or(self.asked);
            let signal = info.ssi_signo.cast_signed();
            if signal == STOP_NOW {
                self.end_all();
            } else if self.group || info.ssi_code != libc::SI_KERNEL {
                // A terminal has signalled all of its group already.
                self.signal(signal);
            }
        }
    }

    /// It is not reaped yet, so that its number is its own.
    fn signal(&self, signal: i32) {
        if let Ok(pid) = pid(&self.child) {
            if self.group {
                signal_group(pid, signal)
            } else {
                signal_one(pid, signal)
            };
        }
    }

    /// The connector first, and then what comes to us from it.
    fn end_all(&mut self) {
        self.signal(libc::SIGKILL);
        // Reaped here, and remembered by the library: waiting again gives the same.
        drop(self.child.wait());
        if let Some(children) = &self.orphans {
            children.end_all(|_| {});
        }
    }
}

fn pid(child: &Child) -> nix::Result<i32> {
    i32::try_from(child.id()).map_err(|_| Errno::EINVAL)
}
