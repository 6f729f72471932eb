//! The profiles prove themselves: every rule kept and broken for real, every other call refused, and
//! real programs run under them.
//!
//! `harness = false`: the counts at the end are part of the result. A program that is not installed
//! is an ignored test; with `JAIL_TEST_MUST_RUN=programs` it is a failed one.

#![expect(unsafe_code, reason = "the calls under test are raw system calls in forked children")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test without libtest, which clippy.toml's exceptions for tests do not see"
)]

#[path = "seccomp/child.rs"]
mod child;
#[path = "seccomp/load.rs"]
mod load;
#[path = "seccomp/programs.rs"]
mod programs;
#[path = "seccomp/rules.rs"]
mod rules;
#[path = "seccomp/special.rs"]
mod special;

use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() -> ExitCode {
    let mut trials: Vec<Trial> = programs::trials();
    trials.extend([load::trial(), load::own_profile(), load::abort()]);
    let mut profiles = 0;
    for (name, json) in files() {
        profiles += 1;
        trials.extend(rules::trials(rules::Subject::new(&name, &json)));
    }
    assert!(profiles >= 4, "{profiles} profiles found");
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{profiles} profiles, {} rules, {} calls named by them here ({} made in a way of their own), \
         {} breaches of conditions; calls made for real: {} reached the kernel, {} were refused",
        count(&rules::RULES),
        count(&rules::NAMES),
        special::LIST.len(),
        count(&rules::BREACHES),
        count(&child::PASSED),
        count(&child::REFUSED),
    );
    conclusion.exit_code()
}

/// Every profile of the folder, by name.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seccomp-profiles");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of profiles")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().and_then(|n| n.to_str()).expect("a name").to_owned();
            (name, std::fs::read(&path).expect("a readable profile"))
        })
        .collect();
    files.sort();
    files
}
