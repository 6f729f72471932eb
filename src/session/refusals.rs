//! What is made of system calls that the connector's filter refuses.

use super::audit;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::spawn::telling::Telling;
use crate::supervise::refusals::{Refusal, Refused};
use crate::why;
use std::os::fd::OwnedFd;

/// Lines on stderr in one run; the rest is in the log and the summary.
const SAID: u32 = 8;
/// Calls that the summary names.
const SUMMED: usize = 5;

/// The telling form of the plan's filter and the supervisor's end, where this machine can do it.
pub(super) fn listen(plan: &Plan) -> Result<Option<(Telling, OwnedFd)>, Failure> {
    let program = plan.seccomp.telling.as_ref().filter(|_| crate::sys::seccomp::can_listen());
    program.map(|program| Telling::new(program)).transpose()
}

/// A record for the log, and the first time a line for the person.
pub(super) fn heard<'a>(
    log: &'a audit::Run,
    plan: &'a Plan,
    quiet: bool,
) -> impl FnMut(&Refusal) -> Result<Option<String>, Failure> + 'a {
    let mut said = 0;
    move |refusal| {
        let profile = &plan.seccomp.name;
        let about =
            refusal.call.as_ref().map(|call| why::about_call(profile, &call.name(), &call.args));
        let fix = about.as_ref().and_then(why::AboutCall::fix);
        log.seccomp_refused(profile, refusal, fix)?;
        if quiet || !refusal.first || said >= SAID {
            return Ok(None);
        }
        let (Some(call), Some(about)) = (&refusal.call, about) else { return Ok(None) };
        let line = about.line().map(|line| format!("jail: refused the system call {call}{line}"));
        said += u32::from(line.is_some());
        Ok(line)
    }
}

/// What was refused, in one line; none where nothing was.
pub(super) fn summary(refused: &Refused, run: &str) -> Option<String> {
    if refused.total == 0 {
        return None;
    }
    let mut calls: Vec<(&str, u64)> =
        refused.calls.iter().map(|(name, times)| (name.as_str(), *times)).collect();
    calls.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let named: Vec<String> =
        calls.iter().take(SUMMED).map(|(name, times)| format!("{name} ({times})")).collect();
    let named = named.join(", ");
    let more = match calls.len().saturating_sub(SUMMED) {
        0 if refused.others == 0 => String::new(),
        0 => " and others".to_owned(),
        more => format!(" and {more} more"),
    };
    Some(format!("jail: system calls refused: {named}{more}; jail why {run} shows more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_most_frequent_and_says_nothing_of_nothing() {
        let of = |calls: &[(&str, u64)], others| {
            let calls: std::collections::BTreeMap<_, _> =
                calls.iter().map(|(name, times)| ((*name).to_owned(), *times)).collect();
            let total = calls.values().sum::<u64>() + others;
            summary(&Refused { total, calls, others }, "0123456789ab")
        };
        assert_eq!(of(&[], 0), None);
        assert_eq!(
            of(&[("bpf", 1), ("keyctl", 3)], 0).unwrap(),
            "jail: system calls refused: keyctl (3), bpf (1); jail why 0123456789ab shows more"
        );
        let many = ["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, 1));
        assert!(of(&many, 0).unwrap().contains("e (1) and 2 more; jail why"));
        assert!(of(&many[..2], 9).unwrap().contains("b (1) and others; jail why"));
    }
}
