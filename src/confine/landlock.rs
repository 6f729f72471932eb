//! Applies the Landlock plan. man: landlock(7)

use crate::plan::{LandlockPlan, PathAccess, Seen, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::fd::{RESOLVE_NO_SYMLINKS, identity, openat2};
use crate::sys::landlock::Ruleset;
use crate::sys::{Call, SysError, SysResult};
use landlock::AccessNet;
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Witness: confined, or the owner allowed Landlock to be missing.
pub struct Enforced(());

/// For a run in which nothing else hides the host: no plan is an error.
pub fn apply_alone(plan: Option<&LandlockPlan>) -> Result<Enforced, Fault> {
    match plan {
        Some(plan) => apply(Some(plan)),
        None => Err(SysError::unverified()).at(Stage::Landlock, 0),
    }
}

/// Rules are made on the mounts of the new root; afterwards no mount can be changed any more.
pub fn apply(plan: Option<&LandlockPlan>) -> Result<Enforced, Fault> {
    let Some(plan) = plan.filter(|_| !broken(Control::Landlock)) else { return Ok(Enforced(())) };
    let stage = Stage::Landlock;
    let ruleset = Ruleset::create(plan.handled_fs, plan.handled_net, plan.scoped)
        .at(stage, plan.paths.len())?;
    for (index, rule) in plan.paths.iter().enumerate() {
        let path = open(rule).at(stage, index)?;
        ruleset.allow_beneath(path.as_fd(), rule.access).at(stage, index)?;
    }
    for port in &plan.bind_ports {
        ruleset.allow_port(*port, AccessNet::BindTcp as u64).at(stage, plan.paths.len())?;
    }
    ruleset.restrict_self().at(stage, plan.paths.len())?;
    Ok(Enforced(()))
}

fn open(rule: &PathAccess) -> SysResult<OwnedFd> {
    let resolve = if rule.seen == Seen::Process { 0 } else { RESOLVE_NO_SYMLINKS };
    let file = openat2(libc::AT_FDCWD, rule.path.as_path(), libc::O_PATH, resolve)?;
    match rule.seen {
        Seen::Host(expected) if identity(file.as_fd())? != expected => {
            Err(SysError::new(Call::Openat2, Errno::ESTALE))
        }
        _ => Ok(file),
    }
}
