//! Loads the filter; nothing but the last probes and exec comes after it. man: seccomp(2)

use crate::plan::{SeccompPlan, Stage};
use crate::planted::{Control, broken};
use crate::spawn::telling::Telling;
use crate::spawn::wire::{At, Fault, Message, Reporter};
use crate::sys::{Call, Sys, SysResult, seccomp};

/// Witness.
pub struct Enforced(());

pub const STEPS: [&str; 1] = ["let the supervisor hear what it refuses"];
/// The step of [`STEPS`]; the load itself is step 0.
pub const LISTEN: u16 = 1;

/// Loads the program that the plan carries, in its telling form where the supervisor listens.
///
/// To hear of refusals is no control: where this kernel or an outer filter forbids it, the plain program
/// refuses the same calls, and the supervisor is told that it will hear nothing.
pub fn apply(
    plan: &SeccompPlan,
    telling: Option<&Telling>,
    reporter: Reporter<'_>,
) -> Result<Enforced, Fault> {
    if broken(Control::Seccomp) {
        return Ok(Enforced(()));
    }
    if let Some(telling) = telling {
        match seccomp::load_telling(&telling.program).sys(Call::SeccompListen) {
            Ok(listener) => {
                telling.keep(listener);
                return Ok(Enforced(()));
            }
            Err(error) => {
                reporter.send(Message::Noted(Fault { stage: Stage::Seccomp, step: LISTEN, error }));
            }
        }
    }
    load(&plan.program).at(Stage::Seccomp, 0)
}

/// Loads init's own, smaller filter.
pub fn apply_to_init(program: &[u8]) -> Result<Enforced, Fault> {
    if broken(Control::InitSeccomp) {
        return Ok(Enforced(()));
    }
    load(program).at(Stage::Payload, 5)
}

fn load(program: &[u8]) -> SysResult<Enforced> {
    seccomp::load(program).sys(Call::Seccomp)?;
    Ok(Enforced(()))
}
