//! Faults: every call of the set-up fails in turn, processes are killed between any two of them, and what
//! a run needs is full, missing or read-only. The run must end with a refusal that names the stage and the
//! error, with nothing running and nothing left.
//!
//! ```text
//! cargo test --test faults                the distinct ones
//! JAIL_FAULTS=all cargo test --test faults every occurrence of every call
//! ```

#![allow(unsafe_code, reason = "a child of a test prepares itself before exec")]
#![allow(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[cfg(target_arch = "x86_64")]
mod call;
#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod judge;
#[cfg(target_arch = "x86_64")]
mod kills;
mod places;
#[cfg(target_arch = "x86_64")]
mod stage;
#[cfg(target_arch = "x86_64")]
mod table;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod world;

use libtest_mimic::Arguments;
use std::process::ExitCode;

/// Every occurrence of every call, instead of the distinct ones.
fn all() -> bool {
    std::env::var("JAIL_FAULTS").is_ok_and(|which| which == "all")
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(3);
    let mut trials = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        trials.extend(calls::trials());
        trials.extend(kills::trials());
    }
    #[cfg(not(target_arch = "x86_64"))]
    println!("skipped calls and kills: the tracer knows the registers of x86_64 only");
    trials.extend(places::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    #[cfg(target_arch = "x86_64")]
    table::print();
    println!(
        "{} passed, {} failed, {} skipped",
        conclusion.num_passed, conclusion.num_failed, conclusion.num_ignored
    );
    conclusion.exit_code()
}
