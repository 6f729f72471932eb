//! Every call of the set-up fails in turn.

use super::call::{self, Seen};
use super::judge::{self, Verdict};
use super::tracer::{self, Act, Role};
use super::world::{Kind, World};
use super::{stage, table};
use libtest_mimic::{Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};

/// One call that is to fail, and the stage that its failure must name.
struct Fault {
    seen: Seen,
    stage: &'static str,
}

/// One trial for each stage and call, with all its occurrences.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in [Kind::Full, Kind::Plain] {
        match record(kind) {
            Ok(groups) => {
                for (name, faults) in groups {
                    let shown = name.clone();
                    trials.push(Trial::test(name, move || fail_each(kind, &shown, &faults)));
                }
            }
            Err(why) => {
                println!("skipped calls: {why}");
                let must = std::env::var("JAIL_TEST_MUST_RUN").is_ok_and(|names| names == "all");
                let name = format!("calls::{}", kind.name());
                trials.push(
                    Trial::test(name, move || Err(Failed::from(why))).with_ignored_flag(!must),
                );
            }
        }
    }
    trials
}

/// What an undisturbed run calls.
pub fn recorded(kind: Kind) -> Result<Vec<Seen>, String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("the tracer knows the registers of x86_64 only".to_owned());
    }
    let world = World::new(kind);
    let trace = tracer::run(world.command(), Act::Record)
        .map_err(|error| format!("nothing can be traced here: {error}"))?;
    if trace.code != Some(0) || !trace.ran {
        return Err(format!("a traced run fails: {:?} {}", trace.code, world.said()));
    }
    Ok(call::set_up(trace.seen))
}

/// The same, sorted by what is reported together.
fn record(kind: Kind) -> Result<BTreeMap<String, Vec<Fault>>, String> {
    let seen = recorded(kind)?;
    let stages = stage::of(&seen);
    let all = super::all();
    let mut known = BTreeSet::new();
    let mut groups: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
    for (seen, stage) in seen.into_iter().zip(stages) {
        // A jail without a way out differs in what its init does for the network.
        let other = kind == Kind::Plain && !(seen.spot.role == Role::Init && stage == "network");
        let same = !known.insert((seen.spot.role, stage, seen.name.clone(), seen.object.clone()));
        let excluded = judge::excluded(&seen).is_some();
        if excluded || (!all && (other || same)) {
            continue;
        }
        let place = [kind.name(), seen.spot.role.name(), stage, &seen.name];
        let parts: Vec<_> = place.into_iter().filter(|part| !part.is_empty()).collect();
        groups.entry(parts.join("::")).or_default().push(Fault { seen, stage });
    }
    Ok(groups)
}

fn fail_each(kind: Kind, name: &str, faults: &[Fault]) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for fault in faults {
        let verdict = fail(kind, fault)?;
        table::add(name, &verdict);
        if let Verdict::Wrong(why) = verdict {
            let Seen { name, object, spot, .. } = &fault.seen;
            wrong.push(format!("{name} ({object}, number {}): {why}", spot.nth));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn fail(kind: Kind, fault: &Fault) -> Result<Verdict, Failed> {
    let world = World::new(kind);
    let errno = judge::errno(&fault.seen.name);
    let trace = tracer::run(world.command(), Act::Fail(fault.seen.spot, errno))?;
    let seen = trace.seen.last().unwrap_or(&fault.seen);
    let verdict = judge::judge(seen, fault.stage, errno, &trace, &world.said());
    Ok(match world.left() {
        Some(left) if !matches!(verdict, Verdict::Wrong(_)) => Verdict::Wrong(left),
        _ => verdict,
    })
}
