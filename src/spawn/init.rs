//! pid 1 of the jail: builds the walls, forks the payload, reaps, passes signals on.
//!
//! Straight-line and without the heap: see `sys`.

use super::wire::{At, Fault, Message, Reporter};
use super::{Prepared, payload};
use crate::confine::{
    Walled, capabilities, identity, landlock, mounts, network, no_new_privs, pivot, process,
    seccomp,
};
use crate::plan::{Plan, Stage};
use crate::sys::clone::{leave, spawn_sharing};
use crate::sys::{self, Call, Sys, SysError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Everything that init does; the only way out is the end of the process.
pub fn main(prepared: &Prepared<'_>, report: OwnedFd) -> ! {
    let reporter = Reporter(report.as_fd());
    match set_up(prepared, reporter) {
        Ok(walled) => {
            let payload = spawn_sharing(|| payload::main(prepared, walled, reporter));
            match payload.at(Stage::Payload, 0) {
                Ok(pid) => reap(prepared, pid, report.as_fd()),
                Err(fault) => fail(reporter, fault),
            }
        }
        Err(fault) => fail(reporter, fault),
    }
}

/// Reports and leaves; the supervisor turns the record into the refusal that a person reads.
pub(super) fn fail(reporter: Reporter<'_>, fault: Fault) -> ! {
    reporter.send(Message::Failed(fault));
    leave(125)
}

/// The stages of init, in the order of [`Stage`].
fn set_up(prepared: &Prepared<'_>, reporter: Reporter<'_>) -> Result<Walled, Fault> {
    let Plan {
        ids,
        network: network_plan,
        process: process_plan,
        mounts: steps,
        landlock: landlock_plan,
        // The supervisor's and the payload's parts:
        run_id: _,
        policy: _,
        namespaces: _,
        cgroup: _,
        rlimits: _,
        seccomp: _,
        probes: _,
        canary: _,
        exec: _,
        timeout: _,
        eof_grace: _,
        gaps: _,
        protections: _,
    } = prepared.plan;
    hold_lifeline(reporter.0).at(Stage::Lifeline, 0)?;
    // In the supervisor's process group, init would get the terminal's ^C, and the connector two.
    unistd::setsid().sys(Call::Setsid).at(Stage::Lifeline, 1)?;
    if prepared.plan.exec.traced {
        wait_for_tracer(prepared.gate.as_fd()).at(Stage::Lifeline, 2)?;
    }
    let identity = identity::apply(ids)?;
    // Before the sysctls, which are those of the namespace that the process is in.
    let network =
        network::apply(network_plan, prepared.egress.as_ref().map(AsFd::as_fd), reporter)?;
    let process = process::apply(process_plan, reporter)?;
    let root = mounts::build(steps, &prepared.secrets)?;
    let pivot = pivot::apply(root, steps)?;
    let capabilities = capabilities::apply()?;
    let no_new_privs = no_new_privs::apply()?;
    let landlock = landlock::apply(landlock_plan.as_ref())?;
    Ok(Walled { identity, process, network, pivot, capabilities, no_new_privs, landlock })
}

/// Dies with the supervisor from here on, and at once if it is dead already.
///
/// The parent's death before the prctl sends no signal, and getppid() says 0 in a new pid namespace;
/// but then the report pipe has no reader, which poll(2) shows as POLLERR.
fn hold_lifeline(report: BorrowedFd<'_>) -> Result<(), SysError> {
    sys::process::die_with_parent()?;
    let mut fds = [PollFd::new(report, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).sys(Call::Poll)?;
    let gone = fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
    if gone { Err(SysError::new(Call::Poll, Errno::EPIPE)) } else { Ok(()) }
}

/// The first byte of the gate says that the supervisor traces this process. It has to begin here: once
/// the process is not dumpable, only real root could.
fn wait_for_tracer(gate: BorrowedFd<'_>) -> Result<(), SysError> {
    let mut byte = [0];
    match unistd::read(gate, &mut byte).sys(Call::Read)? {
        1 => Ok(()),
        _ => Err(SysError::new(Call::Read, Errno::ECANCELED)),
    }
}

/// Reaps whatever ends, passes signals to the payload's process group, and ends with the payload.
fn reap(prepared: &Prepared<'_>, payload: i32, report: BorrowedFd<'_>) -> ! {
    let reporter = Reporter(report);
    if let Err(fault) = retire(prepared, report) {
        fail(reporter, fault);
    }
    let all = SigSet::all();
    let mut cpu = 0;
    loop {
        let signal = sys::process::wait_for(&all);
        if signal == Signal::SIGCHLD as i32 {
            if let Some(status) = collect(payload, &mut cpu) {
                end_the_rest(&mut cpu);
                let cpu_ms = u32::try_from(cpu / 1000).unwrap_or(u32::MAX);
                reporter.send(Message::Ended { status, cpu_ms });
                leave(0);
            }
        } else if signal > 0 {
            forward(payload, signal);
        }
    }
}

/// Keeps only the report pipe, and comes under a filter that knows a reaper's calls only.
fn retire(prepared: &Prepared<'_>, report: BorrowedFd<'_>) -> Result<(), Fault> {
    let kept = report.as_raw_fd().unsigned_abs();
    if let Some(last) = kept.checked_sub(1) {
        sys::fd::close_between(0, last).at(Stage::Payload, 1)?;
    }
    sys::fd::close_between(kept + 1, u32::MAX).at(Stage::Payload, 1)?;
    seccomp::apply_to_init(prepared.init_filter).map(drop)
}

/// Reaps every ended child, adds up their microseconds; the payload's status if it is among them.
fn collect(payload: i32, cpu: &mut u64) -> Option<i32> {
    let mut ended = None;
    while let Some(reaped) = sys::process::reap_one(libc::WNOHANG) {
        *cpu += reaped.cpu;
        if reaped.pid == payload {
            ended = Some(reaped.status);
        }
    }
    ended
}

/// Kills and reaps whatever the connector left: when `Ended` is sent, no process of it exists.
///
/// One that is forked in between is killed by the next round, or by our own end.
fn end_the_rest(cpu: &mut u64) {
    // Says ESRCH when nobody but init is left.
    while sys::process::signal_one(-1, libc::SIGKILL) {
        match sys::process::reap_one(0) {
            Some(reaped) => *cpu += reaped.cpu,
            None => return,
        }
    }
}

/// The whole group: `npx` and `sh -c` do not pass signals on to what they started.
fn forward(payload: i32, signal: i32) {
    if !sys::process::signal_group(payload, signal) {
        // Not its own session yet: the payload is still being confined.
        sys::process::signal_one(payload, signal);
    }
}
