//! Running jails: what listens in their namespaces, and what they publish here.

use super::{case, must};
use crate::world::{World, is_root};
use crate::{Case, Not, Outcome};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub fn all() -> Vec<Case> {
    vec![
        case("jails_listen_in_namespaces_of_their_own", listed),
        case("jails_are_told_apart", two),
        case("a_published_port_is_its_connectors", published),
        case("a_range_is_for_its_connector", range),
    ]
}

/// The process that serves published ports lets nobody but root look into it: it has secrets.
const UNSEEN: &[&str] = &["unverified"];

/// A connector that listens: this binary as its own holder.
fn start(world: &mut World, name: &str, port: u16, publish: Option<u16>) -> Outcome {
    let folder = world.folder.path().join(".cloned/connectors");
    fs::create_dir_all(&folder).unwrap();
    let me = std::env::current_exe().unwrap();
    let mut text = format!(
        "name: {name}\ncommand: {}\nargs: [--hold, tcp, 127.0.0.1, \"{port}\"]\nallow_missing: [memory, cpus, pids]\n",
        me.display()
    );
    // Without the grant its bind is refused.
    let publish_to =
        publish.map(|port| format!(", publish: \"127.0.0.1:{port}\"")).unwrap_or_default();
    text += &format!("ports: [{{listen: {port}{publish_to}}}]\n");
    fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    let errors = world.folder.path().join(format!("{name}.log"));
    let mut command = world.command(&["run", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&errors).unwrap());
    let child = command.spawn().unwrap();
    world.keep(child);
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (report, _) = world.json(&["--jails"])?;
        let there = jails(&report).iter().any(|jail| {
            jail["connector"] == name
                && jail["sockets"]
                    .as_array()
                    .is_some_and(|it| it.iter().any(|socket| socket["port"] == port))
        });
        let served = publish.is_none_or(|port| world.row("tcp", port).is_ok());
        if there && served {
            return Ok(());
        }
        let last = world.children.len() - 1;
        if world.children[last].try_wait().unwrap().is_some() || Instant::now() > until {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            return Err(
                match said.contains("cannot be made here") || said.contains("not permitted") {
                    true => Not::Possible(format!("no jail can be made in this namespace: {said}")),
                    false => Not::Right(format!("{name} does not listen: {said}\n{report:#}")),
                },
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn jails(report: &Value) -> Vec<Value> {
    report["jails"].as_array().cloned().unwrap_or_default()
}

fn listed(world: &mut World) -> Outcome {
    start(world, "search", 8080, None)?;
    // Not of the host, so neither listed nor judged there; and ss does not see it either.
    world.like_ss()?;
    world.expect_rules(&[], 0)?;
    must(world.row("tcp", 8080).is_err(), "it is listed as the host's")?;
    let (report, _) = world.json(&["--jails"])?;
    let holders = &jails(&report)[0]["holders"];
    must(
        holders[0]["connector"] == "search" && holders[0]["pid"].is_number(),
        format!("{report:#}"),
    )
}

fn two(world: &mut World) -> Outcome {
    start(world, "one", 8080, None)?;
    start(world, "two", 8080, None)?;
    let (report, code) = world.json(&["--jails"])?;
    let jails = jails(&report);
    let names: Vec<_> = jails.iter().map(|jail| jail["connector"].clone()).collect();
    must(names == ["one", "two"] && code == 0, format!("{report:#}"))?;
    must(jails[0]["run"] != jails[1]["run"], format!("{report:#}"))
}

fn published(world: &mut World) -> Outcome {
    world.registry("services: {web: {port: 3000, connector: search}}");
    start(world, "search", 8080, Some(3000))?;
    world.like_ss()?;
    if !is_root() {
        return world.expect_rules(UNSEEN, 0);
    }
    world.expect_rules(&[], 0)?;
    world.registry("services: {web: {port: 3000, connector: other}}");
    world.expect_rules(&["wrong-holder"], 1)
}

fn range(world: &mut World) -> Outcome {
    world.registry("reserved: {search: [3100-3199]}");
    start(world, "search", 8080, Some(3150))?;
    if !is_root() {
        return world.expect_rules(UNSEEN, 0);
    }
    world.expect_rules(&[], 0)?;
    world.registry("reserved: {other: [3100-3199]}");
    world.expect_rules(&["reserved"], 1)
}
