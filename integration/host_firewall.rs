//! What `jail firewall export --host` writes, in the programs that it is for, and what gets through then.
//!
//! Each scene runs in network namespaces of its own: a host, an outside and a container, joined by
//! cables that lead nowhere else; once with nftables and once with each iptables. What a rule is to stop
//! must get through before it is loaded. Where a program or a namespace is not to be had, a scene is a
//! counted skip with the reason, or a failure where `JAIL_TEST_MUST_RUN` names it (`all` names everything).

#![allow(unreachable_pub, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "host_firewall/apply.rs"]
mod apply;
#[path = "host_firewall/scenes.rs"]
mod scenes;
#[path = "host_firewall/tool.rs"]
mod tool;
#[path = "host_firewall/world.rs"]
mod world;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};
use tool::Tool;

type Scene = (&'static str, fn(&Tool));

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, tool, scene] = args.as_slice()
        && flag == "--scene"
    {
        let tool = Tool::named(tool);
        let (_, act) = all().into_iter().find(|(name, _)| name == scene).expect("a scene");
        world::leave_the_machine();
        act(&tool);
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mut trials: Vec<Trial> = Vec::new();
    for tool in tool::ALL {
        trials.extend(all().into_iter().map(|scene| trial(tool, scene)));
    }
    trials.push(Trial::test("apply_is_for_root", || {
        apply::is_for_root();
        Ok(())
    }));
    let done = libtest_mimic::run(&arguments, trials);
    if done.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn all() -> Vec<Scene> {
    scenes::ALL.iter().chain(apply::ALL).copied().collect()
}

fn trial(tool: &'static Tool, (scene, _): Scene) -> Trial {
    let name = format!("{}_{scene}", tool.name);
    let Some(reason) = tool.missing().or_else(world::missing) else {
        return Trial::test(name, move || in_a_process(tool, scene));
    };
    let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    if must.split(',').any(|word| word == "all" || word == name || word == tool.name) {
        return Trial::test(name, move || Err(Failed::from(format!("must run, but {reason}"))));
    }
    println!("skip {name}: {reason}");
    Trial::test(name, || Ok(())).with_ignored_flag(true)
}

/// Namespaces are entered by a process with one thread, and end with it.
fn in_a_process(tool: &Tool, scene: &str) -> Result<(), Failed> {
    let me = std::env::current_exe().expect("my path");
    let mut command = Command::new("timeout");
    let output = command.arg("120").arg(me).args(["--scene", tool.name, scene]).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{}", output.status, text.trim()).into())
}
