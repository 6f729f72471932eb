//! Loads the filter; nothing but the last probes and exec comes after it. man: seccomp(2)

use crate::plan::{SeccompPlan, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::{Call, Sys, SysResult};

/// Witness.
pub struct Enforced(());

/// Loads the program that the plan carries.
pub fn apply(plan: &SeccompPlan) -> Result<Enforced, Fault> {
    if broken(Control::Seccomp) {
        return Ok(Enforced(()));
    }
    load(&plan.program).at(Stage::Seccomp, 0)
}

/// Loads init's own, smaller filter.
pub fn apply_to_init(program: &[u8]) -> Result<Enforced, Fault> {
    if broken(Control::InitSeccomp) {
        return Ok(Enforced(()));
    }
    load(program).at(Stage::Payload, 4)
}

fn load(program: &[u8]) -> SysResult<Enforced> {
    crate::sys::seccomp::load(program).sys(Call::Seccomp).map(Enforced)
}
