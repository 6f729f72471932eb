//! `jail api`, served by real processes, at real sockets of the loopback and of folders of the tests' own.
//!
//! ```text
//! cargo test --test api               all
//! cargo test --test api pairing       those with `pairing` in the name
//! ```
//!
//! What cannot be tried here is a counted skip with its reason.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, unreachable_pub)]

mod cases;
mod http;
mod rig;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    // As another process: another user's, or a confined one.
    if let [_, verb, path] = args.as_slice()
        && verb.starts_with("--ask")
    {
        if verb == "--ask-filtered" {
            rig::filter_nothing();
        }
        return rig::ask_as_a_stranger(path);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let root = nix::unistd::geteuid().is_root();
    let trials = cases::all().into_iter().map(|(name, needs_root, case)| {
        let skipped = needs_root && !root;
        if skipped {
            eprintln!("{name}: needs root, to be another user");
        }
        let run = move || {
            case();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(skipped)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
