//! No program gains privileges by being executed. man: PR_SET_NO_NEW_PRIVS(2const)

use crate::plan::Stage;
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::process;

/// Witness.
pub struct Enforced(());

pub const STEPS: [&str; 2] = ["set no_new_privs", "become undumpable until exec"];

/// Sets it, and hides init's own memory and binary from the connector, which is the same user.
pub fn apply() -> Result<Enforced, Fault> {
    if !broken(Control::NoNewPrivs) {
        process::no_new_privs().at(Stage::NoNewPrivs, 0)?;
    }
    if !broken(Control::NotDumpable) {
        process::not_dumpable().at(Stage::NoNewPrivs, 1)?;
    }
    Ok(Enforced(()))
}
