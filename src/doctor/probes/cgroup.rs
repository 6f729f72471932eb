//! Limits: a leaf is made, limited, entered by clone3, and one limit is seen to bite.

use super::super::host::{Check, Fix, Status};
use super::Probes;
use crate::confine::cgroup::{CgroupError, Controller, Controllers, How, Leaf, Limits, Support};
use crate::policy::{Bytes, Cpus};
use crate::sys::probe::{Fail, Outcome, Prober};
use nix::errno::Errno;
use std::fs::{self, File};
use std::os::fd::AsFd;

const LIMITS: (&str, &str) = ("cgroup.limits", "memory, cpu, pids limits");
const INTO: (&str, &str) = ("cgroup.clone-into", "clone3 into a cgroup");
const IO: (&str, &str) = ("cgroup.io", "disk limits");

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    let needs = Controllers::from([Controller::Cpu, Controller::Memory, Controller::Pids]);
    let support = Support::probe(&needs);
    let cost = limits_cost(probes);
    if let How::NoneBecause { reason, fix } = &support.how {
        let limits =
            Check::not_ok(LIMITS.0, LIMITS.1, Status::Missing, reason, cost).fix("any", fix);
        return vec![limits, into_own_cgroup(probes.prober, &support), io()];
    }
    let limits = Limits {
        memory: Some(Bytes(64 << 20)),
        cpus: Some(Cpus(500)),
        // One is taken by the first child, so the second must be refused.
        pids: Some(1),
        io: Vec::new(),
    };
    let run = format!("doctor-{}", std::process::id());
    match Leaf::create(&support, &run, &limits) {
        Ok(leaf) => {
            let tried = enter(probes.prober, &leaf);
            vec![limited(&support, &leaf, &tried, &cost), entered(&tried), io()]
        }
        Err(error) => {
            let check = failed(LIMITS, &error, &cost);
            vec![check, into_own_cgroup(probes.prober, &support), io()]
        }
    }
}

fn limits_cost(probes: &Probes) -> String {
    let pids = if probes.facts.uid == 0 {
        "; a pids limit cannot be enforced in any other way for root"
    } else {
        ""
    };
    format!(
        "memory, cpus and pids limits cannot be enforced: a run that asks for one is refused unless \
         its manifest or --allow-missing names it{pids}"
    )
}

fn failed(what: (&'static str, &'static str), error: &CgroupError, cost: &str) -> Check {
    let check = Check::not_ok(what.0, what.1, Status::Missing, error.to_string(), cost);
    let fix = |command: &String| Fix { on: "any", command: command.clone() };
    check.fixes(error.hint.iter().map(fix).collect())
}

/// A child that is born in the leaf, says where it is, and may not fork.
fn enter(prober: Prober, leaf: &Leaf) -> Outcome {
    let name = leaf.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    prober.child_in(0, Some(leaf.dir_fd()), || {
        let text =
            fs::read_to_string("/proc/self/cgroup").map_err(Fail::io("open(/proc/self/cgroup)"))?;
        if !text.lines().any(|l| l.starts_with("0::") && l.ends_with(&name)) {
            return Err(Fail::note(
                "clone3(CLONE_INTO_CGROUP)",
                format!("the child is in {text:?}"),
            ));
        }
        match prober.child(0, || Ok(String::new())) {
            Err(fail) if fail.errno == Some(Errno::EAGAIN) => {
                Ok("a process more than pids.max is refused".into())
            }
            other => Err(Fail::note("pids.max", format!("a second process gave {other:?}"))),
        }
    })
}

fn limited(support: &Support, leaf: &Leaf, tried: &Outcome, cost: &str) -> Check {
    let how = match support.how {
        How::Root => "as root",
        How::OwnDelegated => "in a delegated cgroup",
        _ => "in a scope of the user manager",
    };
    let place = leaf.path().parent().unwrap_or(leaf.path()).display();
    match tried {
        Ok(seen) => {
            let evidence = format!("{how}, under {place}: read back; {seen}");
            Check::ok(LIMITS.0, LIMITS.1, evidence)
        }
        Err(fail) => {
            let evidence = format!("{how}, under {place}: {fail}");
            Check::not_ok(LIMITS.0, LIMITS.1, Status::Missing, evidence, cost)
        }
    }
}

fn entered(tried: &Outcome) -> Check {
    match tried {
        Err(fail) if fail.call.starts_with("clone3") => no_entry(fail),
        _ => Check::ok(INTO.0, INTO.1, "a child was born in the leaf"),
    }
}

fn no_entry(fail: &Fail) -> Check {
    let cost = "a connector cannot be started inside its limits (Linux 5.7)";
    Check::not_ok(INTO.0, INTO.1, Status::Missing, fail.to_string(), cost)
}

/// Where no leaf can be made: is the call there at all? Our own cgroup is a place to try.
fn into_own_cgroup(prober: Prober, support: &Support) -> Check {
    let untried = |why: String| {
        let cost = "without a cgroup of one's own this does not matter yet";
        Check::not_ok(INTO.0, INTO.1, Status::Unknown, why, cost)
    };
    let Some(own) = &support.own_cgroup else {
        return untried("not tried: our cgroup is not visible".into());
    };
    match File::open(own) {
        Err(e) => untried(format!("not tried: open({}): {e}", own.display())),
        Ok(dir) => match prober.child_in(0, Some(dir.as_fd()), || Ok("works".into())) {
            Ok(_) => Check::ok(INTO.0, INTO.1, format!("works (tried in {})", own.display())),
            // Not ours to write: the call is known, the place was the wrong one.
            Err(fail) if matches!(fail.errno, Some(Errno::EACCES | Errno::EROFS)) => {
                untried(format!("not tried: {} is not ours ({fail})", own.display()))
            }
            Err(fail) => no_entry(&fail),
        },
    }
}

/// Whether the io controller is to be had. Asked apart: systemd hands it down less often.
fn io() -> Check {
    match Support::probe(&Controllers::from([Controller::Io])).how {
        How::NoneBecause { reason, fix } => {
            let cost = "a connector can use the disk as hard as the host lets it";
            Check::not_ok(IO.0, IO.1, Status::Missing, reason, cost).fix("any", fix)
        }
        _ => Check::ok(IO.0, IO.1, "the io controller is offered"),
    }
}
