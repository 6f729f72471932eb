//! The escape suite: every attack is proven to work unjailed, then tried in a jail.
//!
//! `escapes/NAME.rs` is one attack. This binary is its own payload: `jail run … -- escapes --attack NAME`.
//! See `harness.rs` for what makes a test pass, `requires.rs` for skips.
//!
//! ```text
//! cargo test --test escapes                        all, as the user who you are
//! JAIL_TEST_MUST_RUN=all cargo test --test escapes nothing may be skipped
//! JAIL_TEST_SANDBOX=landlock …                     the weaker tier: see `tier.rs`
//! JAIL_TEST_SANDBOX=container …                    containers: as root Docker, as a user rootless podman
//! JAIL=/path/to/jail ./escapes tcp             another binary, attacks with `tcp` in the name
//! ```

#![allow(unsafe_code, unsafe_op_in_unsafe_fn, unreachable_pub)]
#![allow(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
#![allow(clippy::macro_metavars_in_unsafe)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::let_underscore_must_use)]

mod contained;
#[allow(dead_code, reason = "another program, which uses more of it")]
#[path = "containers/engines.rs"]
mod engines;
mod escapes;
mod fixture;
mod harness;
mod helpers;
mod kit;
#[allow(dead_code, reason = "another program, which uses more of it")]
#[path = "containers/outside.rs"]
mod outside;
mod requires;
mod run;
mod tier;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// Attacks that are made a second time in a traced jail; with `JAIL_TEST_TRACE` set every attack is.
const TRACED: [&str; 14] = [
    "become_root",
    "int80",
    "kill_neighbour",
    "mount",
    "orphan",
    "orphan_of_killed",
    "own_binary",
    "policy_rewrite",
    "process_memory",
    "ptrace",
    "raw_socket",
    "read_home",
    "setns",
    "system_files",
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(code) = helpers::act(&args) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let mut trials = Vec::new();
    // For root the tier is refused, as it should be.
    let root = unsafe { libc::geteuid() } == 0;
    assert!(!(tier::chosen() && root), "the weaker tier is tried as an ordinary user");
    let missing = match tier::contained() && !arguments.list {
        true => contained::start().err(),
        false => None,
    };
    for attack in escapes::ALL {
        if let Some(why) = &missing {
            trials.push(contained::missing(attack.name, why));
            continue;
        }
        if let Some(why) = tier::moot(attack.name) {
            println!("skip {}: {why}", attack.name);
            trials.push(Trial::test(attack.name, || Ok(())).with_ignored_flag(true));
            continue;
        }
        match requires::unmet(attack.requires) {
            None => trials.push(Trial::test(attack.name, || harness::test(attack))),
            Some(unmet) if requires::must_run(attack.name, &unmet) => {
                trials.push(Trial::test(attack.name, move || {
                    Err(format!("must run, but {}", unmet.reason).into())
                }));
            }
            Some(unmet) => {
                println!("skip {}: {}", attack.name, unmet.reason);
                trials.push(Trial::test(attack.name, || Ok(())).with_ignored_flag(true));
            }
        }
    }
    // Without namespaces of jail's own a run is not traced.
    let traced = escapes::ALL.iter().filter(|attack| TRACED.contains(&attack.name));
    let traced = traced.filter(|_| !tier::chosen() && !tier::contained());
    for attack in traced.filter(|attack| requires::unmet(attack.requires).is_none()) {
        let name = format!("traced::{}", attack.name);
        trials.push(Trial::test(name, || harness::traced(attack)));
    }
    trials.push(Trial::test("every_file_is_an_attack", escapes::every_file_is_an_attack));
    trials.push(Trial::test("every_entry_is_an_attack", escapes::every_entry_is_an_attack));
    let done = libtest_mimic::run(&arguments, trials);
    contained::end();
    if done.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
