//! The process that becomes the connector: last limits, proof, filter, exec.

use super::Prepared;
use super::init::fail;
use super::wire::{At, Fault, Message, Reporter};
use crate::confine::{Confined, Walled, limits, proof, seccomp};
use crate::plan::Stage;
use crate::sys::{Call, Sys, SysError, exec, passed};
use nix::errno::Errno;
use std::convert::Infallible;
use std::os::fd::AsFd;

/// Everything that the payload does before it is somebody else's program.
pub fn main(prepared: &Prepared<'_>, walled: Walled, reporter: Reporter<'_>) -> ! {
    let Err(fault) = confine(prepared, walled, reporter)
        .and_then(|confined| become_connector(confined, prepared, reporter));
    fail(reporter, fault)
}

fn confine(
    prepared: &Prepared<'_>,
    walled: Walled,
    reporter: Reporter<'_>,
) -> Result<Confined, Fault> {
    let plan = prepared.plan;
    let streams = limits::Streams {
        stderr: prepared.stderr.as_ref().map(AsFd::as_fd),
        terminal: prepared.terminal.as_ref().map(AsFd::as_fd),
    };
    let limits = limits::apply(&plan.rlimits, &streams)?;
    nix::unistd::chdir(prepared.cwd.as_c_str()).sys(Call::Chdir).at(Stage::Limits, 0)?;
    let target = proof::Target {
        probes: &plan.probes,
        canary: &plan.canary,
        network: &plan.network,
        reporter,
        pass: reporter.1,
    };
    proof::before_seccomp(&target)?;
    let seccomp = seccomp::apply(&plan.seccomp, prepared.telling.as_ref(), reporter)?;
    let proof = proof::after_seccomp(&target)?;
    Ok(Confined { walled, limits, seccomp, proof })
}

/// Waits until the run is recorded. Takes the witness of every control; returns only if exec fails.
fn become_connector(
    confined: Confined,
    prepared: &Prepared<'_>,
    reporter: Reporter<'_>,
) -> Result<Infallible, Fault> {
    let Confined { walled: _, limits: _, seccomp: _, proof: _ } = confined;
    if !reporter.send(Message::Confined) {
        return Err(SysError::new(Call::Write, Errno::EPIPE)).at(Stage::Payload, 2);
    }
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
