//! seccomp: a filter that is seen to bite, and the supervisor's way to be asked.

use super::super::host::Check;
use super::{Primitive, Probes};
use crate::sys::probe::{Fail, Outcome, calls};
use nix::errno::Errno;

const FILTER: Primitive = Primitive {
    id: "seccomp.filter",
    title: "seccomp filter",
    cost: "a connector would have every system call of the kernel",
};
const NOTIFY: Primitive = Primitive {
    id: "seccomp.notify",
    title: "seccomp notification",
    cost: "refused system calls cannot be reported as they happen",
};

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    let attempt = |body: fn() -> Outcome| probes.prober.child(0, body);
    vec![
        FILTER.judge(attempt(try_filter), &probes.facts).needed(),
        NOTIFY.judge(attempt(try_notify), &probes.facts),
    ]
}

fn try_filter() -> Outcome {
    load(false)?;
    match calls::getppid() {
        Err(calls::FILTERED) => Ok("loaded, and it bites".into()),
        other => Err(Fail::note("seccomp", format!("a filtered call gave {other:?}"))),
    }
}

fn try_notify() -> Outcome {
    load(true)?;
    Ok("a listener can be had".into())
}

/// Loads the filter after showing that the call works without it.
fn load(listen: bool) -> Result<(), Fail> {
    calls::getppid().map_err(|e| Fail::errno("getppid", e))?;
    nix::sys::prctl::set_no_new_privs().map_err(|e| Fail::errno("prctl(NO_NEW_PRIVS)", e))?;
    let call = if listen { "seccomp(NEW_LISTENER)" } else { "seccomp(SET_MODE_FILTER)" };
    let listener = calls::seccomp_filter(listen).map_err(|e: Errno| Fail::errno(call, e))?;
    if listener.is_some() == listen { Ok(()) } else { Err(Fail::note(call, "no descriptor")) }
}
