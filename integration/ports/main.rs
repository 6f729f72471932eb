//! `jail doctor ports` against real sockets, each case in a network namespace of its own.
//!
//! Every case makes sockets, and most compare our listing with that of `ss -Hlnptu` for the same moment:
//! the difference is printed, and must be empty. No packet leaves the namespace. As an ordinary user the
//! namespace belongs to a user namespace with the user's own number.
//!
//! ```text
//! cargo test --test ports              all
//! cargo test --test ports udp          those with `udp` in the name
//! ```
//!
//! What cannot be tried here is a counted skip with its reason, or a failure where `JAIL_TEST_MUST_RUN`
//! says `all` or the name of the case.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, unreachable_pub)]
#![allow(clippy::multiple_unsafe_ops_per_block)]

mod cases;
mod holders;
mod make;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};
use world::World;

/// A case says what is wrong, or that it cannot be tried.
pub enum Not {
    Right(String),
    Possible(String),
}

pub type Outcome = Result<(), Not>;

impl From<String> for Not {
    fn from(text: String) -> Self {
        Self::Right(text)
    }
}

pub struct Case {
    pub name: String,
    pub run: Box<dyn Fn(&mut World) -> Outcome>,
}

const SKIPPED: u8 = 77;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--case") => return one(&args[2]),
        Some("--hold") => return holders::hold(&args[2..]),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let unmet = world::unmet();
    let trials = cases::all().into_iter().map(|case| trial(case.name, unmet.as_deref()));
    let done = libtest_mimic::run(&arguments, trials.collect());
    println!(
        "{} passed, {} failed, {} skipped",
        done.num_passed, done.num_failed, done.num_ignored
    );
    done.exit_code()
}

fn trial(name: String, unmet: Option<&str>) -> Trial {
    let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    let must = must.split(',').any(|word| word == "all" || word == name);
    if let Some(why) = unmet {
        let why = why.to_owned();
        if must {
            return Trial::test(name, move || Err(why.into()));
        }
        println!("skip {name}: {why}");
        return Trial::test(name, || Ok(())).with_ignored_flag(true);
    }
    let case = name.clone();
    Trial::ignorable_test(name, move || {
        let me = std::env::current_exe().expect("my path");
        let output = Command::new("timeout").arg("90").arg(me).args(["--case", &case]).output();
        let output = output.map_err(|error| Failed::from(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.status.code() {
            Some(0) => Ok(libtest_mimic::Completion::Completed),
            Some(code) if code == i32::from(SKIPPED) && !must => {
                Ok(libtest_mimic::Completion::ignored_with(text))
            }
            _ => Err(format!("{}\n{text}", output.status).into()),
        }
    })
}

/// In a process of its own, which is in the namespace and holds the sockets.
fn one(name: &str) -> ExitCode {
    let case = cases::all().into_iter().find(|case| case.name == name).expect("a case");
    let mut world = World::enter();
    let done = (case.run)(&mut world);
    world.leave();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Not::Right(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Err(Not::Possible(why)) => {
            eprintln!("{why}");
            ExitCode::from(SKIPPED)
        }
    }
}
