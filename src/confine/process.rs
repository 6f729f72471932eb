//! What init is born with and passes on: keyring, priority, OOM score, host name, sysctls.

use super::identity::put;
use crate::plan::{ProcessPlan, Stage, Sysctl};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault, Message, Reporter};
use crate::sys::{Call, Sys, SysError, SysResult, process};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd;
use std::io::Write;

/// Witness.
pub struct Enforced(());

/// Steps before the sysctls, in order.
pub const STEPS: [&str; 4] = [
    "join a fresh session keyring",
    "set the OOM score",
    "set the nice value",
    "set the host name",
];

/// Applies all of it. An optional sysctl that cannot be set is noted and left to the control behind it.
pub fn apply(plan: &ProcessPlan, reporter: Reporter<'_>) -> Result<Enforced, Fault> {
    if !broken(Control::Keyring) {
        process::fresh_session_keyring().at(Stage::Process, 0)?;
    }
    if !broken(Control::OomScore) {
        oom_score(plan.oom_score_adj).at(Stage::Process, 1)?;
    }
    if plan.nice > 0 {
        process::set_nice(plan.nice).at(Stage::Process, 2)?;
    }
    if let Some(hostname) = plan.hostname.as_ref().filter(|_| !broken(Control::Hostname)) {
        unistd::sethostname(hostname).sys(Call::Sethostname).at(Stage::Process, 3)?;
    }
    let sysctls = if broken(Control::Sysctls) { &[] } else { &plan.sysctls[..] };
    for (index, sysctl) in sysctls.iter().enumerate() {
        match set(sysctl).at(Stage::Process, STEPS.len() + index) {
            Ok(()) => {}
            Err(fault) if sysctl.required => return Err(fault),
            Err(fault) => {
                reporter.send(Message::Noted(fault));
            }
        }
    }
    Ok(Enforced(()))
}

fn oom_score(value: i32) -> SysResult<()> {
    let mut text = [0u8; 12];
    let mut rest = &mut text[..];
    write!(rest, "{value}").map_err(|_| SysError::unverified())?;
    let length = 12 - rest.len();
    put(c"/proc/self/oom_score_adj", &text[..length])
}

fn set(sysctl: &Sysctl) -> SysResult<()> {
    put(sysctl.path, sysctl.value.as_bytes())?;
    let file =
        open(sysctl.path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).sys(Call::Open)?;
    let mut text = [0u8; 16];
    let read = unistd::read(&file, &mut text).sys(Call::Read)?;
    let same = text[..read].trim_ascii_end() == sysctl.value.as_bytes();
    if same { Ok(()) } else { Err(SysError::unverified()) }
}
