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
    process::drop_capabilities().at(Stage::Capabilities, 2)?;
    Ok(Enforced(()))
}
