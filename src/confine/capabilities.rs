//! No capability in any set, and none to be had. man: capabilities(7)

use crate::plan::Stage;
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::process;

/// Witness.
pub struct Enforced(());

pub const STEPS: [&str; 3] = [
    "lock the securebits (NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE)",
    "drop the bounding set",
    "empty effective, permitted, inheritable and ambient",
];

/// Order: securebits and the bounding set need CAP_SETPCAP, which the last step gives up.
pub fn apply() -> Result<Enforced, Fault> {
    if broken(Control::Capabilities) {
        return Ok(Enforced(()));
    }
    process::lock_securebits().at(Stage::Capabilities, 0)?;
    process::drop_bounding_set().at(Stage::Capabilities, 1)?;
    empty()
}

/// The last step alone: what a user without CAP_SETPCAP can do. With no_new_privs, which comes next,
/// nothing that is executed gains what the bounding set or the securebits would have taken.
pub fn empty() -> Result<Enforced, Fault> {
    process::drop_capabilities().at(Stage::Capabilities, 2)?;
    Ok(Enforced(()))
}
