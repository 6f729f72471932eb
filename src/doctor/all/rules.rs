//! Rules of the doctors that have no file of their own: host, policy, audit.

use crate::doctor::finding::{Rule, Severity};

pub static NEEDED: Rule = Rule {
    id: "host.needed",
    title: "something is missing that every jail needs",
    why: "No connector can be run: a control that cannot be applied stops the run.",
    severity: Severity::Error,
};
pub static MISSING: Rule = Rule {
    id: "host.missing",
    title: "a feature is missing, or there in part",
    why: "Runs that ask for it are refused; the others have a gap, which they show.",
    severity: Severity::Info,
};
pub static UNTRIED: Rule = Rule {
    id: "host.untried",
    title: "a feature could not be tried",
    why: "Whether jails can use it is not known.",
    severity: Severity::Info,
};
pub static STALE_CGROUP: Rule = Rule {
    id: "host.stale-cgroup",
    title: "a cgroup of a run that was killed is left",
    why: "It is empty and costs a little memory of the kernel; the next run takes it away too.",
    severity: Severity::Info,
};
/// Of `jail doctor host`, as findings.
pub static HOST: &[&Rule] = &[&NEEDED, &MISSING, &UNTRIED, &STALE_CGROUP];

pub static WRONG: Rule = Rule {
    id: "policy.wrong",
    title: "a manifest or a rule file is wrong",
    why: "The connector is refused, or no rule counts, until it is corrected.",
    severity: Severity::Error,
};
pub static OPEN_FILE: Rule = Rule {
    id: "policy.open-file",
    title: "a file that decides about jails may be changed by other users",
    why: "Whoever may write to it can allow anything to any connector.",
    severity: Severity::Error,
};
pub static FOREIGN_FILE: Rule = Rule {
    id: "policy.foreign-file",
    title: "a file that decides about jails belongs to another user",
    why: "Its owner can change it whatever its mode is.",
    severity: Severity::Warning,
};
/// Of manifests and other files in `.cloned`.
pub static POLICY: &[&Rule] = &[&WRONG, &OPEN_FILE, &FOREIGN_FILE];

pub static CHANGED: Rule = Rule {
    id: "audit.changed",
    title: "the record of runs was changed",
    why: "What ran, and what was refused, is not what the log says.",
    severity: Severity::Error,
};
/// Of `jail audit verify`.
pub static AUDIT: &[&Rule] = &[&CHANGED];
