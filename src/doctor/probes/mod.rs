//! The probes, one file per group, in the order of a run.

mod calls;
mod cgroup;
mod facts;
mod landlock;
mod machine;
mod mounts;
mod namespaces;
mod network;
mod seccomp;

use super::host::{Check, Status};
use crate::sys::probe::{Fail, Outcome, Prober};
use facts::Facts;

/// Every check of this machine.
pub(super) fn all(prober: Prober) -> Vec<Check> {
    let facts = Facts::read();
    let user_ns = namespaces::try_user(prober, &facts);
    let probes = Probes { prober, facts, user_ns };
    let mut checks = machine::checks(&probes.facts);
    checks.extend(calls::checks(&probes));
    checks.extend(namespaces::checks(&probes));
    checks.extend(mounts::checks(&probes));
    checks.extend(network::checks(&probes));
    checks.extend(landlock::checks(&probes));
    checks.extend(seccomp::checks(&probes));
    // Last: where systemd's user manager is asked for a scope, this process itself moves.
    checks.extend(cgroup::checks(&probes));
    checks
}

/// What every probe works with.
struct Probes {
    prober: Prober,
    facts: Facts,
    /// How making a user namespace went: most other probes need one.
    user_ns: Outcome,
}

/// A primitive that is tried: its name, and what it costs to lack it.
struct Primitive {
    id: &'static str,
    title: &'static str,
    cost: &'static str,
}

/// One row of a table of attempts.
struct Attempt {
    what: Primitive,
    /// The namespaces (`CLONE_NEW…`) that it is made in, beside the user namespace.
    flags: u64,
    body: fn() -> Outcome,
    needed: bool,
}

impl Attempt {
    /// Made in a user namespace.
    fn inside(&self, probes: &Probes) -> Check {
        let check = self.what.judge_inside(probes, self.flags, self.body);
        Check { needed: self.needed, ..check }
    }

    /// Made with the rights that we have.
    fn plain(&self, probes: &Probes) -> Check {
        let check = self.what.judge(probes.prober.child(self.flags, self.body), &probes.facts);
        Check { needed: self.needed, ..check }
    }
}

impl Primitive {
    /// Tried: there, or missing for the reason that the facts give.
    fn judge(&self, outcome: Outcome, facts: &Facts) -> Check {
        match outcome {
            Ok(seen) => Check::ok(self.id, self.title, seen),
            Err(fail) => self.missing(&fail, facts),
        }
    }

    /// Tried in a user namespace with these others; not at all where there is none.
    fn judge_inside(&self, probes: &Probes, flags: u64, body: impl FnOnce() -> Outcome) -> Check {
        match &probes.user_ns {
            Ok(_) => self.judge(probes.in_user_ns(flags, body), &probes.facts),
            Err(_) => self.no_user_ns(),
        }
    }

    /// Not tried: what it needs first is missing, and was reported.
    fn no_user_ns(&self) -> Check {
        let evidence = "not tried: no user namespace";
        Check::not_ok(self.id, self.title, Status::Unknown, evidence, self.cost)
    }

    fn missing(&self, fail: &Fail, facts: &Facts) -> Check {
        let (why, fixes) = facts.explain(fail);
        let evidence = if why.is_empty() { fail.to_string() } else { format!("{fail} ({why})") };
        let status = if fail.is_about_us() { Status::Unknown } else { Status::Missing };
        Check::not_ok(self.id, self.title, status, evidence, self.cost).fixes(fixes)
    }
}

impl Fail {
    /// The attempt itself broke (a pipe, a timeout), which says nothing about the machine.
    fn is_about_us(&self) -> bool {
        ["pipe", "read", "waitpid"].contains(&self.call.as_str())
            || (self.call == "probe" && !self.note.starts_with("killed by"))
    }
}
