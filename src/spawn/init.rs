//! pid 1 of the jail: builds the walls, forks the payload, reaps, passes signals on.
//!
//! Straight-line and without the heap: see `sys`.

use super::tree::{Children, OwnFiles};
use super::wire::{At, Fault, Message, Reporter};
use super::{END, Prepared, payload};
use crate::confine::{
    OwnView, Walled, capabilities, identity, landlock, mounts, network, no_new_privs, pivot,
    process, seccomp,
};
use crate::plan::{HostView, Plan, ProcessPlan, Stage};
use crate::planted::{Control, broken};
use crate::sys::clone::{leave, spawn_sharing};
use crate::sys::process::Reaped;
use crate::sys::seccomp::Pass;
use crate::sys::{self, Call, Sys, SysError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Everything that init does; the only way out is the end of the process.
pub fn main(prepared: &Prepared<'_>, report: OwnedFd) -> ! {
    let reporter = Reporter(report.as_fd(), prepared.pass());
    match set_up(prepared, reporter) {
        Ok((walled, rest)) => {
            let init = unistd::getpid().as_raw();
            let payload = spawn_sharing(|| payload::main(prepared, walled, init, reporter));
            match payload.at(Stage::Payload, 0) {
                Ok(pid) => reap(prepared, pid, rest, report.as_fd()),
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
fn set_up(prepared: &Prepared<'_>, reporter: Reporter<'_>) -> Result<(Walled, Rest), Fault> {
    let Plan {
        ids,
        host_view,
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
        published: _,
    } = prepared.plan;
    let death = if host_view.is_some() { END } else { libc::SIGKILL };
    if !broken(Control::Lifeline) {
        hold_lifeline(reporter.0, death).at(Stage::Lifeline, 0)?;
    }
    // In the supervisor's process group, init would get the terminal's ^C, and the connector two.
    unistd::setsid().sys(Call::Setsid).at(Stage::Lifeline, 1)?;
    if prepared.plan.exec.traced {
        wait_for_tracer(prepared.gate.as_fd()).at(Stage::Lifeline, 2)?;
    }
    if let Some(view) = host_view {
        return without_namespaces(view, process_plan, reporter);
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
    let view = Some(OwnView { identity, network, pivot, landlock });
    Ok((Walled { process, capabilities, no_new_privs, view }, Rest::Namespace))
}

/// The same without what makes or needs a namespace. Landlock is the payload's to apply.
fn without_namespaces(
    view: &HostView,
    process_plan: &ProcessPlan,
    reporter: Reporter<'_>,
) -> Result<(Walled, Rest), Fault> {
    sys::process::adopt_orphans().at(Stage::Lifeline, 2)?;
    let children = Children::open().at(Stage::Lifeline, 3)?;
    let process = process::apply(process_plan, reporter)?;
    let capabilities = if view.root { capabilities::apply() } else { capabilities::empty() }?;
    let no_new_privs = no_new_privs::apply()?;
    let walled = Walled { process, capabilities, no_new_privs, view: None };
    Ok((walled, Rest::Children(children)))
}

/// What is left when the connector has ended.
enum Rest {
    /// All that is in this pid namespace.
    Namespace,
    /// All that descends from us.
    Children(Children),
}

/// Dies with the supervisor from here on, and at once if it is dead already.
///
/// The parent's death before the prctl sends no signal, and getppid() says 0 in a new pid namespace;
/// but then the report pipe has no reader, which poll(2) shows as POLLERR.
///
/// Without a pid namespace init has to outlive the supervisor for as long as it takes to end the rest.
fn hold_lifeline(report: BorrowedFd<'_>, death: i32) -> Result<(), SysError> {
    sys::process::signal_at_parents_death(death)?;
    if abandoned(report)? { Err(SysError::new(Call::Poll, Errno::EPIPE)) } else { Ok(()) }
}

/// Has the report pipe no reader any more?
pub(super) fn abandoned(report: BorrowedFd<'_>) -> Result<bool, SysError> {
    let mut fds = [PollFd::new(report, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).sys(Call::Poll)?;
    Ok(fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)))
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
fn reap(prepared: &Prepared<'_>, payload: i32, rest: Rest, report: BorrowedFd<'_>) -> ! {
    let reporter = Reporter(report, Pass::default());
    let kept = match retire(prepared, payload, &rest, report) {
        Ok(kept) => kept,
        Err(fault) => fail(reporter, fault),
    };
    let all = SigSet::all();
    let mut cpu = 0;
    loop {
        let signal = sys::process::wait_for(&all);
        let mut status = None;
        if signal == Signal::SIGCHLD as i32 {
            status = collect(payload, &mut cpu);
        } else if ends(&rest, signal, report) {
            status = Some(libc::SIGKILL);
        } else if signal > 0 {
            forward(payload, signal);
        }
        if let Some(status) = status {
            let status = end_the_rest(&rest, payload, &mut cpu).unwrap_or(status);
            let cpu_ms = u32::try_from(cpu / 1000).unwrap_or(u32::MAX);
            drop(kept);
            reporter.send(Message::Ended { status, cpu_ms });
            leave(0);
        }
    }
}

/// Is everything to be ended? In a pid namespace SIGKILL for init does it.
fn ends(rest: &Rest, signal: i32, report: BorrowedFd<'_>) -> bool {
    match rest {
        Rest::Namespace => false,
        // A supervisor that cannot be asked about is one that is gone.
        Rest::Children(_) => signal == END || abandoned(report).unwrap_or(true),
    }
}

/// Hands the listener of the connector's filter out, keeps only the report pipe (and the list of
/// children), and comes under a filter that knows a reaper's calls only. What it gives is held until the
/// end.
fn retire(
    prepared: &Prepared<'_>,
    payload: i32,
    rest: &Rest,
    report: BorrowedFd<'_>,
) -> Result<Option<OwnFiles>, Fault> {
    if let Some(telling) = &prepared.telling {
        telling.hand_out().at(Stage::Payload, 4)?;
    }
    let report = report.as_raw_fd().unsigned_abs();
    let list = match rest {
        Rest::Namespace => report,
        Rest::Children(children) => children.as_fd().as_raw_fd().unsigned_abs(),
    };
    let (low, high) = (report.min(list), report.max(list));
    if let Some(last) = low.checked_sub(1) {
        sys::fd::close_between(0, last).at(Stage::Payload, 1)?;
    }
    if let Some(last) = high.checked_sub(1) {
        sys::fd::close_between(low + 1, last).at(Stage::Payload, 1)?;
    }
    sys::fd::close_between(high + 1, u32::MAX).at(Stage::Payload, 1)?;
    let files = match rest {
        Rest::Namespace => None,
        Rest::Children(_) => OwnFiles::hold(payload),
    };
    seccomp::apply_to_init(prepared.init_filter)?;
    Ok(files)
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

/// Kills and reaps whatever the connector left: when `Ended` is sent, no process of it exists. Gives the
/// payload's status where it was among them.
///
/// One that is forked in between is killed by the next round, or by our own end.
fn end_the_rest(rest: &Rest, payload: i32, cpu: &mut u64) -> Option<i32> {
    let mut status = None;
    let mut note = |reaped: &Reaped| {
        *cpu += reaped.cpu;
        if reaped.pid == payload {
            status = Some(reaped.status);
        }
    };
    match rest {
        Rest::Children(children) => children.end_all(note),
        // Says ESRCH when nobody but init is left.
        Rest::Namespace => {
            while sys::process::signal_one(-1, libc::SIGKILL) {
                match sys::process::reap_one(0) {
                    Some(reaped) => note(&reaped),
                    None => break,
                }
            }
        }
    }
    status
}

/// The whole group: `npx` and `sh -c` do not pass signals on to what they started.
fn forward(payload: i32, signal: i32) {
    if !sys::process::signal_group(payload, signal) {
        // Not its own session yet: the payload is still being confined.
        sys::process::signal_one(payload, signal);
    }
}
