//! A jail's whole life, seen from outside: how it starts, what passes through it, how it ends, and
//! that nothing is left of it.
//!
//! `harness = false`: the counts at the end are part of the result. Every test runs the binary (of
//! `JAIL`, or the one that cargo built) with a folder of its own as HOME, and tells its processes
//! from all others by a mark in their arguments and environment: other jails may run beside. What
//! cannot be tried here is skipped, with the reason; `JAIL_TEST_MUST_RUN=all` makes that a failure.
//! With `JAIL_TEST_TRACE` set, every run of every test is traced: nothing may be different then.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]
#![allow(clippy::print_stdout, reason = "a test tells its result")]

mod approvals;
mod ends;
mod faults;
mod inherited;
mod killed;
mod listen;
mod nothing_left;
mod places;
mod refused;
mod report;
mod runs;
mod secrets;
mod signals;
mod status;
mod stdio;
mod support;
mod tier;
mod trace;
mod tty;
mod why;
mod workspace;

use libtest_mimic::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = approvals::worker() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Most tests wait for something: more of them at once than there are processors is faster.
    arguments.test_threads.get_or_insert(3);
    let trials = [
        nothing_left::trials(),
        killed::trials(),
        approvals::trials(),
        runs::trials(),
        faults::trials(),
        listen::trials(),
        ends::trials(),
        stdio::trials(),
        tty::trials(),
        status::trials(),
        signals::trials(),
        workspace::trials(),
        secrets::trials(),
        refused::trials(),
        report::trials(),
        inherited::trials(),
        places::trials(),
        why::trials(),
        trace::trials(),
        tier::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    println!(
        "{} passed, {} failed, {} skipped",
        conclusion.num_passed, conclusion.num_failed, conclusion.num_ignored
    );
    conclusion.exit_code()
}
