//! `--sandbox=container`, `jail doctor containers` and `jail proxy` with real engines.
//!
//! As root: Docker, its daemon in a network and mount namespace of the test's own. As an ordinary user: rootless
//! podman. Images are made here from the machine's own programs; nothing is fetched, and no packet leaves.
//!
//! ```text
//! JAIL=target/debug/jail cargo test --test containers            all
//! JAIL=target/debug/jail cargo test --test containers attacks    those with `attacks` in the name
//! ```
//!
//! What cannot be tried here is a counted skip with its reason, or a failure where `JAIL_TEST_MUST_RUN` says
//! `all`, `containers` or the name of the scene.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]
#![allow(unreachable_pub)]

mod attacks;
mod both;
mod connectors;
mod doctor;
mod engines;
mod judged;
mod local_llm;
mod outside;
mod proxy;
mod scenes;
mod session;
mod settled;
mod shipped;
mod unapplied;
mod ways_out;

use engines::World;
use libtest_mimic::{Arguments, Trial};
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// A scene says what is wrong.
pub type Outcome = Result<(), String>;
pub type Scene = (&'static str, fn(&World) -> Outcome);

fn main() -> ExitCode {
    if let Some(code) = both::probe::act() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // One engine for all, on a machine that others use as well.
    arguments.test_threads = Some(1);
    let mut scenes: Vec<Scene> = Vec::new();
    scenes.extend(scenes::ALL);
    scenes.extend(attacks::ALL);
    scenes.extend(unapplied::ALL);
    scenes.extend(settled::ALL);
    scenes.extend(judged::ALL);
    scenes.extend(doctor::ALL);
    scenes.extend(proxy::ALL);
    scenes.extend(local_llm::ALL);
    scenes.extend(ways_out::ALL);
    let world = if arguments.list { Err("not started".to_owned()) } else { World::start() };
    let world = world.map(Arc::new);
    let mut trials: Vec<Trial> =
        scenes.into_iter().map(|(name, run)| trial_of(name, &world, run)).collect();
    trials.extend(connectors::trials(&world));
    trials.extend(both::trials(&world));
    let done = libtest_mimic::run(&arguments, trials);
    println!(
        "{} passed, {} failed, {} skipped",
        done.num_passed, done.num_failed, done.num_ignored
    );
    // The trials hold the world until here; now its engine is ended.
    drop(world);
    done.exit_code()
}

/// The environment of this world's commands, for one that is started otherwise.
fn as_in(world: &World, command: &mut Command) {
    for (name, value) in world.command("true").get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Is it no skip but a failure where this cannot be tried?
fn must_run(name: &str) -> bool {
    let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    must.split(',').any(|word| ["all", "containers", name].contains(&word))
}

fn trial_of(
    name: &str,
    world: &Result<Arc<World>, String>,
    run: impl Fn(&World) -> Outcome + Send + 'static,
) -> Trial {
    let must = must_run(name);
    match world {
        Ok(world) => {
            let world = Arc::clone(world);
            Trial::ignorable_test(name, move || match run(&world) {
                Ok(()) => Ok(libtest_mimic::Completion::Completed),
                Err(why) => match why.strip_prefix("skip: ") {
                    Some(why) if !must => Ok(libtest_mimic::Completion::ignored_with(why)),
                    _ => Err(why.into()),
                },
            })
        }
        Err(why) if must => {
            let why = why.clone();
            Trial::test(name, move || Err(why.into()))
        }
        Err(why) => {
            println!("skip {name}: {why}");
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
    }
}
