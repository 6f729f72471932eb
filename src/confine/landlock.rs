//! Applies the Landlock plan. man: landlock(7)

use crate::plan::{LandlockPlan, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::fd::{RESOLVE_NO_SYMLINKS, openat2};
use crate::sys::landlock::Ruleset;
use landlock::AccessNet;
use std::os::fd::AsFd;

/// Witness: confined, or the owner allowed Landlock to be missing.
pub struct Enforced(());

/// Rules are made on the mounts of the new root; afterwards no mount can be changed any more.
pub fn apply(plan: Option<&LandlockPlan>) -> Result<Enforced, Fault> {
    let Some(plan) = plan.filter(|_| !broken(Control::Landlock)) else { return Ok(Enforced(())) };
    let stage = Stage::Landlock;
    let ruleset = Ruleset::create(plan.handled_fs, plan.handled_net, plan.scoped)
        .at(stage, plan.paths.len())?;
    for (index, rule) in plan.paths.iter().enumerate() {
        let path = openat2(libc::AT_FDCWD, rule.path.as_path(), libc::O_PATH, RESOLVE_NO_SYMLINKS)
            .at(stage, index)?;
        ruleset.allow_beneath(path.as_fd(), rule.access).at(stage, index)?;
    }
    for port in &plan.bind_ports {
        ruleset.allow_port(*port, AccessNet::BindTcp as u64).at(stage, plan.paths.len())?;
    }
    ruleset.restrict_self().at(stage, plan.paths.len())?;
    Ok(Enforced(()))
}
