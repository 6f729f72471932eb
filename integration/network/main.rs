//! Attacks on the network of a jail, in a world of its own: see `world/mod.rs`.
//!
//! `attacks/NAME.rs` is one attack. Each runs in two fresh worlds: once without a jail, where it must
//! work (a naive proxy stands where the jail has its doors), and once in a jail that may reach
//! `allowed.test`, where it must not. This binary is its own payload and its own world.
//!
//! ```text
//! cargo test --test network                       all
//! cargo test --test network socks                 attacks with `socks` in the name
//! target/debug/deps/network-… --visit COMMAND …   runs a command in a world, to look around
//! JAIL_TEST_CONTROLS=only cargo test --test network   the controls alone: is the world right?
//! ```

#![allow(unsafe_code, unsafe_op_in_unsafe_fn, unreachable_pub)]
#![allow(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
#![allow(clippy::macro_metavars_in_unsafe)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::let_underscore_must_use)]
// Shared with the escape suite, which uses more of it.
#![allow(dead_code)]

mod attacks;
mod client;
#[path = "../fixture.rs"]
mod fixture;
#[path = "../harness.rs"]
mod harness;
#[path = "../kit.rs"]
mod kit;
#[path = "../requires.rs"]
mod requires;
#[path = "../run.rs"]
mod run;
mod scenarios;
mod talk;
#[path = "../tier.rs"]
mod tier;
mod tls;
mod world;

use harness::{Attack, Env, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::Scenario;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--attack") => return payload(&args[2], &args[3..]),
        Some("--world") => return in_world(&args[2], &args[3], args[4].as_ref()),
        Some("--visit") => return visit(&args[2..]),
        Some("--client") => return talk::act(&args[2..]),
        Some("--sleep") => {
            std::thread::sleep(std::time::Duration::from_secs(20));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let done = libtest_mimic::run(&arguments, trials());
    if done.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = attacks::ALL.iter().map(|attack| trial(attack)).collect();
    trials.extend(scenarios::all().into_iter().map(scenario));
    trials.push(Trial::test("every_file_is_an_attack", attacks::every_file_is_an_attack));
    trials
}

fn trial(attack: &'static Attack) -> Trial {
    let none = || None;
    trial_of(attack.name, attack.requires, none, move || test(attack))
}

fn scenario(scenario: Scenario) -> Trial {
    let name = scenario.name;
    let run = move || if controls_only() { Ok(()) } else { world_for(name, "scenario") };
    trial_of(name, scenario.requires, || scenario.missing(), run)
}

/// What every world needs, then what this one needs.
fn trial_of(
    name: &'static str,
    needs: &[requires::Need],
    missing: impl Fn() -> Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = if unsafe { libc::geteuid() } == 0 { &[][..] } else { requires![userns] };
    let program = || missing().map(|reason| requires::Unmet { need: "programs".into(), reason });
    let unmet = requires::unmet(world).or_else(|| requires::unmet(needs)).or_else(program);
    match unmet {
        None => Trial::test(name, run),
        Some(unmet) if requires::must_run(name, &unmet) => {
            Trial::test(name, move || Err(format!("must run, but {}", unmet.reason).into()))
        }
        Some(unmet) => {
            println!("skip {name}: {}", unmet.reason);
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
    }
}

fn test(attack: &'static Attack) -> Result<(), Failed> {
    world_for(attack.name, "control")?;
    if controls_only() {
        return Ok(());
    }
    world_for(attack.name, "jailed")
}

/// Asked for; or this jail does not know `--allow`, so that there is nothing to attack.
fn controls_only() -> bool {
    let asked = std::env::var("JAIL_TEST_CONTROLS").is_ok_and(|value| value == "only");
    asked || {
        let help = Command::new(run::jail_binary()).args(["run", "--help"]).output();
        let help = help.expect("jail").stdout;
        !kit::contains(&help, "--allow ")
    }
}

/// One side of a test, in a process and a world of its own.
fn world_for(name: &str, side: &str) -> Result<(), Failed> {
    let me = std::env::current_exe().expect("my path");
    // Removed here: what lives in the world cannot outlive its own folder.
    let folder = world::folder();
    let mut command = Command::new(me);
    command.args(["--world", name, side]).arg(folder.path());
    let output = command.output().expect("a world");
    if output.status.success() {
        // Figures, where a scenario has some.
        print!("{}", String::from_utf8_lossy(&output.stdout));
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{side}: {}\n{}", output.status, text.trim()).into())
}

fn in_world(name: &str, side: &str, folder: &Path) -> ExitCode {
    world::enter(folder, side == "control");
    let attack = || attacks::ALL.iter().find(|attack| attack.name == name).expect("an attack");
    let done = match side {
        "control" => harness::control(attack())
            .map_err(|why| format!("control did not work: this test proves nothing: {why}").into()),
        "jailed" => harness::jailed(attack()),
        _ => {
            let scenario = scenarios::all().into_iter().find(|scenario| scenario.name == name);
            scenario.expect("a scenario").check().map_err(Failed::from)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

/// A command in a world; what the world saw of it is on stderr.
fn visit(command: &[String]) -> ExitCode {
    let folder = world::folder();
    let world = world::enter(folder.path(), false);
    scenarios::stock();
    let status = Command::new(&command[0]).args(&command[1..]).status().expect("the command");
    world.seen.each(|seen| eprintln!("{seen:.200?}"));
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The attack itself, jailed or not; one line of JSON. What is allowed must work before and after it.
fn payload(name: &str, values: &[String]) -> ExitCode {
    let attack = attacks::ALL.iter().find(|attack| attack.name == name).expect("an attack");
    let pair = |text: &String| text.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let values: std::collections::BTreeMap<_, _> = values.iter().filter_map(pair).collect();
    let jailed = values.get("jailed").is_some_and(|text| text == "1");
    let verdict = client::allowed_works()
        .map(|()| (attack.attack)(&Env { values, jailed }))
        .and_then(|verdict| client::allowed_works().map(|()| verdict));
    let (kind, evidence) = match verdict {
        Ok(Verdict::Escaped(evidence)) => ("escaped", evidence),
        Ok(Verdict::Refused(evidence)) => ("refused", evidence),
        Ok(Verdict::Tried(evidence)) => ("tried", evidence),
        Err(why) => {
            ("broken", format!("what is allowed does not work, so nothing is shown: {why}"))
        }
    };
    println!("{}", serde_json::json!({ "evidence": evidence, "verdict": kind }));
    ExitCode::SUCCESS
}
