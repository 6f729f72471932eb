//! SIGKILL for each of the processes, between any two calls of the set-up: nothing is left, what remains
//! of the run is no success, and the next run finds nothing in its way.

use super::call::{self, Seen};
use super::tracer::{self, Act, Role, Spot, Trace};
use super::world::{Kind, World};
use super::{all, stage};
use libtest_mimic::{Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};

const VICTIMS: [Role; 4] = [Role::Supervisor, Role::Init, Role::Payload, Role::Egress];

/// Calls between two that are triggers, where all is asked for.
const STEP: usize = 6;

/// One trial for each victim and place.
pub fn trials() -> Vec<Trial> {
    let Ok(moments) = moments() else { return Vec::new() };
    let mut trials = Vec::new();
    for victim in VICTIMS {
        for (place, spots) in &moments {
            let (name, spots) = (format!("kill::{}::at {place}", victim.name()), spots.clone());
            trials.push(Trial::test(name, move || {
                spots.iter().try_for_each(|spot| kill(*spot, victim))
            }));
        }
    }
    trials
}

/// Where to kill: at the first call of each stage and at those of the supervisor and the egress process
/// that others wait for; or, where all is asked for, at every few calls.
fn moments() -> Result<BTreeMap<String, Vec<Spot>>, super::calls::Unrecorded> {
    let seen = super::calls::recorded(Kind::Full)?;
    let stages = stage::of(&seen);
    let mut moments: BTreeMap<String, Vec<Spot>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (index, (seen, stage)) in seen.iter().zip(stages).enumerate() {
        let Some(place) = place(seen, stage) else { continue };
        if known.insert(place.clone()) || (all() && index.is_multiple_of(STEP)) {
            moments.entry(place).or_default().push(seen.spot);
        }
    }
    Ok(moments)
}

fn place(seen: &Seen, stage: &str) -> Option<String> {
    let role = seen.spot.role.name();
    let awaited = ["clone3", "flock", "signalfd4", "poll", "landlock_restrict_self", "seccomp"];
    match seen.spot.role {
        Role::Init | Role::Payload => Some(format!("{role} {stage}")),
        _ if awaited.contains(&seen.name.as_str()) => Some(format!("{role} {}", seen.name)),
        _ if all() => Some(role.to_owned()),
        _ => None,
    }
}

fn kill(spot: Spot, victim: Role) -> Result<(), Failed> {
    let world = World::new(Kind::Full);
    let trace = tracer::run(world.command(), Act::Kill(spot, victim))?;
    let at = format!("{} {} number {}", spot.role.name(), call::name(spot.call), spot.nth);
    if let Some(wrong) = wrong(&world, &trace, victim) {
        let (code, said) = (trace.code, world.said());
        return Err(format!("at {at}: {wrong}: code {code:?}\n{said}").into());
    }
    after(&world).map_err(|why| format!("at {at}: {why}").into())
}

fn wrong(world: &World, trace: &Trace, victim: Role) -> Option<String> {
    if trace.stuck {
        return Some("it hung".to_owned());
    }
    if !trace.lingered.is_empty() {
        return Some(format!("{:?} ran on", trace.lingered));
    }
    let ended = match trace.code {
        // There was nobody to kill yet.
        _ if !trace.hit => trace.code == Some(0),
        // There was nothing left to be disturbed but the clearing up.
        Some(0) => trace.over,
        Some(-9) => victim == Role::Supervisor,
        Some(125) => world.said().contains("error: "),
        // As if the connector itself had been killed.
        Some(137) => victim != Role::Egress,
        _ => false,
    };
    (!ended).then(|| "it passes for a good run".to_owned())
}

/// A run without any disturbance, which also sweeps what only a later run can (cgroups).
fn after(world: &World) -> Result<(), String> {
    let code = world.command().status().map_err(|error| error.to_string())?.code();
    if code != Some(0) {
        return Err(format!("the next run fails: {code:?} {}", world.said()));
    }
    let log = world.path("work/.cloned/audit.log");
    let verified = std::process::Command::new(super::world::jail_bin())
        .args(["audit", "verify"])
        .arg(log)
        .output()
        .map_err(|error| error.to_string())?;
    if !verified.status.success() {
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        return Err(format!("the audit log is broken: {said}"));
    }
    world.left().map_or(Ok(()), Err)
}
