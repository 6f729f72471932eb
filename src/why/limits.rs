//! Limits that were reached, as the records and the way of the end tell.

use super::{Finding, Remedy, Weight};
use crate::audit::{How, Mechanism};

pub(super) fn judge(finding: &mut Finding) {
    finding.weight = Weight::Limit;
    finding.remedy = match (&finding.fix, finding.limit) {
        (Some(_), Some(_)) => Remedy::Change { think_twice: None },
        (Some(fix), None) => Remedy::Advice { text: fix.to_string() },
        (None, _) => Remedy::None { because: "nothing is known that would" },
    };
}

/// What the way of the end says, where no record of a denial says it already.
pub(super) fn ended(how: &How, known: &[Finding]) -> Option<Finding> {
    let said = |mechanism| known.iter().any(|finding| finding.mechanism == mechanism);
    let advice = |text: &str| Remedy::Advice { text: text.to_owned() };
    match how {
        How::Refused { stage, what, hints } => {
            let stage = stage.as_ref().map(|stage| format!(" (stage {stage})")).unwrap_or_default();
            let remedy = if hints.is_empty() {
                advice("jail doctor host shows what this machine can do")
            } else {
                let hints: Vec<&str> = hints.iter().map(|hint| hint.as_str()).collect();
                advice(&hints.join("; or "))
            };
            let reason = format!("{what}{stage}");
            Some(Finding {
                weight: Weight::Run,
                ..finding(Mechanism::Policy, "the run", reason, remedy)
            })
        }
        How::Oom if !said(Mechanism::Cgroup) => {
            let remedy = advice("limits.memory, or --memory");
            let reason = "the memory limit was reached".to_owned();
            Some(finding(Mechanism::Cgroup, "memory", reason, remedy))
        }
        How::Timeout if !said(Mechanism::Policy) => {
            let remedy = advice("limits.timeout, or --timeout");
            let reason = "the time limit was reached".to_owned();
            Some(finding(Mechanism::Policy, "time", reason, remedy))
        }
        How::Signal { signal } if !said(Mechanism::Rlimit) => signalled(*signal),
        _ => None,
    }
}

/// Only the signals that mean one thing.
fn signalled(signal: i32) -> Option<Finding> {
    let (mechanism, object, reason, remedy) = match signal {
        libc::SIGXFSZ => (
            Mechanism::Rlimit,
            "file size",
            "a file grew beyond the limit that jail itself was started with (SIGXFSZ)",
            Remedy::Advice { text: "ulimit -f shows it, in the shell that starts jail".to_owned() },
        ),
        libc::SIGXCPU => (
            Mechanism::Rlimit,
            "processor time",
            "the limit of processor time that jail itself was started with was reached (SIGXCPU)",
            Remedy::Advice { text: "ulimit -t shows it, in the shell that starts jail".to_owned() },
        ),
        libc::SIGSYS => (
            Mechanism::Seccomp,
            "a system call",
            "SIGSYS ended it: its profile ends a process for some system call; which one it was is not recorded",
            Remedy::Advice {
                text:
                    "the built-in profiles end nobody; look at the profile that seccomp in the manifest or \
                       --seccomp names"
                        .to_owned(),
            },
        ),
        _ => return None,
    };
    Some(finding(mechanism, object, reason.to_owned(), remedy))
}

fn finding(mechanism: Mechanism, object: &str, reason: String, remedy: Remedy) -> Finding {
    Finding {
        weight: Weight::Limit,
        mechanism,
        object: object.into(),
        code: None,
        reason,
        times: 1,
        doors: Vec::new(),
        remedy,
        address: None,
        fix: None,
        limit: None,
        calls: Vec::new(),
        grant: None,
    }
}
