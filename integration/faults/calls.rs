//! Every call of the set-up fails in turn.

use super::call::{self, Seen};
use super::judge::{self, Verdict};
use super::tracer::{self, Act, Role};
use super::world::{Kind, World};
use super::{stage, table};
use libtest_mimic::{Completion, Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};

/// One call that is to fail, and the stage that its failure must name.
struct Fault {
    seen: Seen,
    stage: &'static str,
}

/// One trial for each stage and call, with all its occurrences.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, walls) in
        [("walls::every_call_that_builds_one_is_made", WALLS), ("walls::the_proof_is_tried", PROOF)]
    {
        trials.push(Trial::ignorable_test(name, || match recorded(Kind::Full) {
            Err(Unrecorded::Untraceable(why)) => Ok(Completion::ignored_with(why)),
            Err(Unrecorded::Fails(why)) => Err(why.into()),
            Ok(_) => made(walls).map(|()| Completion::Completed),
        }));
    }
    for kind in [Kind::Full, Kind::Plain] {
        match record(kind) {
            Ok(groups) => {
                for (name, faults) in groups {
                    let shown = name.clone();
                    trials.push(Trial::test(name, move || fail_each(kind, &shown, &faults)));
                }
            }
            Err(unrecorded) => {
                let must = std::env::var("JAIL_TEST_MUST_RUN").is_ok_and(|names| names == "all");
                let name = format!("calls::{}", kind.name());
                let (why, must) = match unrecorded {
                    Unrecorded::Fails(why) => (why, true),
                    Unrecorded::Untraceable(why) => (why, must),
                };
                println!("skipped {name}: {why}");
                trials.push(
                    Trial::test(name, move || Err(Failed::from(why))).with_ignored_flag(!must),
                );
            }
        }
    }
    trials
}

/// The calls without which there is no wall, of whom, and what they are about.
const WALLS: &[(Role, &str, &str)] = &[
    (Role::Supervisor, "clone3", "every namespace"),
    (Role::Init, "prctl", "1"), // PR_SET_PDEATHSIG
    (Role::Init, "setsid", ""),
    (Role::Init, "openat", "/proc/self/uid_map"),
    (Role::Init, "unshare", "1073741824"), // CLONE_NEWNET
    (Role::Init, "keyctl", "1"),           // KEYCTL_JOIN_SESSION_KEYRING
    (Role::Init, "openat", "/proc/self/oom_score_adj"),
    (Role::Init, "sethostname", ""),
    (Role::Init, "openat", "/proc/sys/user/max_user_namespaces"),
    // Read-only, nosuid and nodev in every combination that a plan has.
    (Role::Init, "mount_setattr", "7"),
    (Role::Init, "mount_setattr", "6"),
    (Role::Init, "mount_setattr", "11"),
    (Role::Init, "mount_setattr", "1"), // the root itself
    (Role::Init, "fsconfig", "hidepid"),
    (Role::Init, "pivot_root", "."),
    (Role::Init, "umount2", ""),
    (Role::Init, "statfs", "usr"),
    (Role::Init, "prctl", "28"), // PR_SET_SECUREBITS
    (Role::Init, "prctl", "24"), // PR_CAPBSET_DROP
    (Role::Init, "capset", ""),
    (Role::Init, "prctl", "38"), // PR_SET_NO_NEW_PRIVS
    (Role::Init, "prctl", "4"),  // PR_SET_DUMPABLE
    (Role::Init, "landlock_restrict_self", ""),
    (Role::Init, "seccomp", ""),
    (Role::Payload, "setsid", ""),
    (Role::Payload, "close_range", ""),
    (Role::Payload, "rt_sigaction", "15"),
    (Role::Payload, "rt_sigprocmask", ""),
    (Role::Payload, "prlimit64", "7"), // RLIMIT_NOFILE
    (Role::Payload, "seccomp", ""),
    (Role::Egress, "prctl", "1"),
    (Role::Egress, "prctl", "4"),
    (Role::Egress, "prctl", "38"),
    (Role::Egress, "capset", ""),
    (Role::Egress, "landlock_restrict_self", ""),
    (Role::Egress, "seccomp", ""),
];

/// Of the proof: one probe before the filter, one after it, and that both are heard of.
const PROOF: &[(Role, &str, &str)] =
    &[(Role::Payload, "ptrace", ""), (Role::Payload, "bpf", ""), (Role::Payload, "write", "")];

fn made(walls: &[(Role, &str, &str)]) -> Result<(), Failed> {
    let world = World::new(Kind::Full);
    let trace = tracer::run(world.command(), Act::Record)?;
    let made = |(role, name, object): &(Role, &str, &str)| {
        let about = |seen: &Seen| seen.object == *object || object.is_empty();
        trace.seen.iter().any(|seen| seen.spot.role == *role && seen.name == *name && about(seen))
    };
    // What an undumpable process works on is hidden from an ordinary user; numbers are not.
    let missing: Vec<_> = walls.iter().filter(|wall| !made(wall)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("never called: {missing:?}").into()) }
}

/// Why there is no record.
pub enum Unrecorded {
    /// The machine does not let us trace: a skip.
    Untraceable(String),
    /// jail itself does not work: a failure.
    Fails(String),
}

/// What an undisturbed run calls.
pub fn recorded(kind: Kind) -> Result<Vec<Seen>, Unrecorded> {
    let world = World::new(kind);
    let trace = tracer::run(world.command(), Act::Record)
        .map_err(|error| Unrecorded::Untraceable(format!("nothing can be traced here: {error}")))?;
    if trace.code != Some(0) || !trace.ran {
        let why = format!("a traced run fails: {:?} {}", trace.code, world.said());
        return Err(Unrecorded::Fails(why));
    }
    Ok(call::set_up(trace.seen))
}

/// The same, sorted by what is reported together.
fn record(kind: Kind) -> Result<BTreeMap<String, Vec<Fault>>, Unrecorded> {
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
