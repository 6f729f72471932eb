//! Where Landlock stands behind other walls: which rules, and what becomes of a kernel without it.

use super::landlock::{self, Tcp};
use super::{Facts, Gap, LandlockPlan, MountStep, NetworkPlan, Stage};
use crate::failure::{Failure, Kind};
use crate::policy::{Control, Policy};

/// Why, and what would help.
const NO_LANDLOCK: (&str, &str) = (
    "this kernel has no Landlock, or it is not in the lsm= list",
    "boot a kernel ≥ 5.13 with `landlock` in lsm=",
);

fn tcp<'a>(policy: &Policy, network: &NetworkPlan, listen: &'a [u16]) -> Tcp<'a> {
    let proxied = matches!(network, NetworkPlan::Proxied(_));
    Tcp { loopback: policy.network.loopback.value, proxied, listen }
}

/// In a container Landlock is the second wall where there is one; without it the engine's are shown to be alone.
pub(super) fn in_container(
    policy: &Policy,
    facts: &Facts,
    mounts: &[MountStep],
    network: &NetworkPlan,
    gaps: &mut Vec<Gap>,
) -> Option<LandlockPlan> {
    let listen: Vec<u16> = policy.ports.iter().map(|port| port.value.listen).collect();
    let tcp = tcp(policy, network, &listen);
    let plan = landlock::contained(facts.landlock_abi, mounts, &tcp);
    if plan.is_none() {
        let (why, fix) = NO_LANDLOCK;
        let owner = policy.allow_missing.iter().find(|c| c.value == Control::Landlock);
        let by = owner.map_or_else(|| "default".to_owned(), |owner| owner.origin.to_string());
        gaps.push(Gap::new(Control::Landlock, why, fix, by));
    }
    plan
}

/// What a jail's mounts say, once more; a kernel without it is refused, or a gap that its owner allowed.
pub(super) fn in_jail(
    policy: &Policy,
    facts: &Facts,
    mounts: &[MountStep],
    network: &NetworkPlan,
    gaps: &mut Vec<Gap>,
) -> Result<Option<LandlockPlan>, Failure> {
    let listen: Vec<u16> = policy.ports.iter().map(|port| port.value.listen).collect();
    let Some(plan) = landlock::plan(facts.landlock_abi, mounts, &tcp(policy, network, &listen))
    else {
        let (why, fix) = NO_LANDLOCK;
        let Some(owner) = policy.allow_missing.iter().find(|c| c.value == Control::Landlock) else {
            return Err(Failure::new(Kind::Refused, "Landlock cannot be enforced here")
                .at(Stage::Landlock)
                .because(why)
                .hint(fix)
                .hint("or accept the mount namespace as the only wall: --allow-missing landlock"));
        };
        gaps.push(Gap::new(Control::Landlock, why, fix, &owner.origin));
        return Ok(None);
    };
    Ok(Some(plan))
}
