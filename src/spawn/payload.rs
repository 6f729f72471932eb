//! The process that becomes the connector: last limits, proof, filter, exec.

use super::Prepared;
use super::init::fail;
use super::wire::{At, Fault, Message, Reporter};
use crate::confine::{Confined, View, Walled, landlock, limits, proof, seccomp};
use crate::plan::Stage;
use crate::sys::{Call, Sys, SysError, SysResult, exec, passed, process};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use std::convert::Infallible;
use std::os::fd::AsFd;

/// Everything that the payload does before it is somebody else's program.
pub fn main(prepared: &Prepared<'_>, walled: Walled, init: i32, reporter: Reporter<'_>) -> ! {
    let Err(fault) = confine(prepared, walled, init, reporter)
        .and_then(|confined| become_connector(confined, prepared, reporter));
    fail(reporter, fault)
}

fn confine(
    prepared: &Prepared<'_>,
    walled: Walled,
    init: i32,
    reporter: Reporter<'_>,
) -> Result<Confined, Fault> {
    let plan = prepared.plan;
    let Walled { process, capabilities, no_new_privs, view } = walled;
    let view = match view {
        Some(own) => View::Own(own),
        None => {
            // The last resort, should init be killed: there is no namespace that ends with it.
            die_with(init).at(Stage::Payload, 0)?;
            View::Host(landlock::apply_alone(plan.landlock.as_ref())?)
        }
    };
    let streams = limits::Streams {
        stderr: prepared.stderr.as_ref().map(AsFd::as_fd),
        terminal: prepared.terminal.as_ref().map(AsFd::as_fd),
    };
    let limits = limits::apply(&plan.rlimits, &streams)?;
    nix::unistd::chdir(prepared.cwd.as_c_str()).sys(Call::Chdir).at(Stage::Limits, 0)?;
    let target = proof::Target {
        probes: &plan.probes,
        canary: &plan.canary,
        beside: &prepared.beside,
        network: &plan.network,
        supervisor: prepared.supervisor,
        init,
        reporter,
        pass: reporter.1,
    };
    proof::before_seccomp(&target)?;
    let seccomp = seccomp::apply(&plan.seccomp, prepared.telling.as_ref(), reporter)?;
    let proof = proof::after_seccomp(&target)?;
    Ok(Confined { process, capabilities, no_new_privs, view, limits, seccomp, proof })
}

/// exec keeps it, since it gives no privilege.
fn die_with(init: i32) -> SysResult<()> {
    process::die_with_parent()?;
    let here = nix::unistd::getppid().as_raw() == init;
    if here { Ok(()) } else { Err(SysError::new(Call::Pdeathsig, Errno::ESRCH)) }
}

/// Waits until the run is recorded. Takes the witness of every control; returns only if exec fails.
fn become_connector(
    confined: Confined,
    prepared: &Prepared<'_>,
    reporter: Reporter<'_>,
) -> Result<Infallible, Fault> {
    let Confined {
        process: _,
        capabilities: _,
        no_new_privs: _,
        view: _,
        limits: _,
        seccomp: _,
        proof: _,
    } = confined;
    reporter.tell(Message::Confined).at(Stage::Payload, 2)?;
    wait_for_gate(prepared, reporter).at(Stage::Payload, 3)?;
    let mut byte = [0];
    let pass = reporter.1;
    let opened = passed::read(prepared.gate.as_fd(), &mut byte, pass)
        .sys(Call::Read)
        .at(Stage::Payload, 3)?;
    if opened != 1 {
        return Err(SysError::new(Call::Read, Errno::ECANCELED)).at(Stage::Payload, 3);
    }
    Err(exec::execve(&prepared.program, &prepared.argv, &prepared.envp, pass)).at(Stage::Exec, 0)
}

/// The supervisor opens it, or is gone: an init that outlives it for a while does not tell, and we have
/// a copy of the gate's other end.
fn wait_for_gate(prepared: &Prepared<'_>, reporter: Reporter<'_>) -> SysResult<()> {
    let mut fds = [
        PollFd::new(prepared.gate.as_fd(), PollFlags::POLLIN),
        PollFd::new(reporter.0, PollFlags::empty()),
    ];
    passed::poll(&mut fds, reporter.1).sys(Call::Poll)?;
    let gone = fds[1].any() != Some(false);
    if gone { Err(SysError::new(Call::Poll, Errno::EPIPE)) } else { Ok(()) }
}
