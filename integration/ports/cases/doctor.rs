//! The verb itself: exit codes, forms of output, watching, and all doctors at once.

use super::{case, must};
use crate::make::{TCP, socket};
use crate::world::{World, is_root, jail, tool};
use crate::{Case, Not, Outcome};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

pub fn all() -> Vec<Case> {
    vec![
        case("exit_codes_follow_fail_on", fail_on),
        case("no_proc_is_could_not_look", no_proc),
        case("the_table_has_a_line_each", table),
        case("sarif_has_a_result_each", sarif),
        case("holders_of_others_are_not_guessed", not_root),
        case("watch_shows_what_comes_and_goes", watch),
        case("watch_ends_when_nobody_reads", watch_unread),
        case("all_doctors_in_one_report", all_doctors),
        case("fix_does_what_is_safe", fix),
    ]
}

fn fail_on(world: &mut World) -> Outcome {
    let clean = world.doctor(&["--fail-on", "info"]).status.code();
    must(clean == Some(0), format!("nothing listens: {clean:?}"))?;
    let held = socket(TCP, "127.0.0.1", 8080);
    for (severity, wanted) in [("error", 0), ("warning", 1), ("info", 1)] {
        let (report, code) = world.json(&["--fail-on", severity])?;
        let verdict = if wanted == 1 { "findings" } else { "clean" };
        must(code == wanted && report["verdict"] == verdict, format!("{severity}: {code}"))?;
    }
    drop(held);
    Ok(())
}

fn no_proc(world: &mut World) -> Outcome {
    let script = "mount -t tmpfs none /proc && exec \"$0\" doctor ports";
    let mut command = tool("unshare");
    command.args(if is_root() { ["-m"].as_slice() } else { &["-Urm"] });
    let output =
        command.args(["sh", "-c", script]).arg(jail()).current_dir(world.folder.path()).output();
    let output = output.map_err(|error| Not::Possible(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let right = output.status.code() == Some(2) && said.contains("cannot look at the sockets");
    must(right, format!("{}: {said}", output.status))
}

fn table(world: &mut World) -> Outcome {
    let held = (socket(TCP, "127.0.0.1", 8080), socket(TCP, "::1", 8081));
    let output = world.doctor(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    drop(held);
    for wanted in ["127.0.0.1:8080", "[::1]:8081", "2 servers, 2 findings"] {
        must(text.contains(wanted), format!("no {wanted} in\n{text}"))?;
    }
    must(text.matches("why: ").count() == 1, "the why of a rule stands once")
}

fn sarif(world: &mut World) -> Outcome {
    world.registry("services: {web: {port: 8080, program: nginx}}");
    let held = (socket(TCP, "127.0.0.1", 8080), socket(TCP, "0.0.0.0", 8081));
    let output = world.doctor(&["--sarif"]);
    drop(held);
    let log: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let run = &log["runs"][0];
    let results = run["results"].as_array().cloned().unwrap_or_default();
    must(results.len() == 3 && output.status.code() == Some(1), format!("{log:#}"))?;
    let holder = results.iter().find(|it| it["ruleId"] == "ports.wrong-holder");
    let place = holder.map(|it| it["locations"][0]["physicalLocation"].clone()).unwrap_or_default();
    let uri = place["artifactLocation"]["uri"].as_str().unwrap_or_default().to_owned();
    must(
        uri.ends_with(".cloned/ports.yaml") && place["region"]["startLine"] == 2,
        format!("{place:#}"),
    )
}

/// Root holds one; an ordinary user looks.
fn not_root(world: &mut World) -> Outcome {
    if !is_root() {
        return Err(Not::Possible("only root can give a socket to another user".into()));
    }
    let me = fs::copy(jail(), world.folder.path().join("jail"))
        .map(|_| world.folder.path().join("jail"));
    let me = me.unwrap();
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    world.registry("services: {web: {port: 8080, program: nginx}}");
    let held = (socket(TCP, "127.0.0.1", 8080), socket(TCP, "0.0.0.0", 8081));
    let output = tool("setpriv")
        .args(["--reuid", "54321", "--regid", "54321", "--clear-groups", "--inh-caps=-all"])
        .arg(&me)
        .args(["doctor", "ports", "--json"])
        .current_dir(world.folder.path())
        .output();
    let output = output.map_err(|error| Not::Possible(format!("setpriv: {error}")))?;
    drop(held);
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let rules: Vec<_> =
        report["findings"].as_array().into_iter().flatten().map(|it| it["rule"].clone()).collect();
    let wanted = ["ports.not-loopback", "ports.unregistered", "ports.unverified"];
    must(rules == wanted && output.status.code() == Some(1), format!("{report:#}"))?;
    let notes = report["notes"].to_string();
    let told =
        notes.contains("the holders of 2 sockets are not known") && report["hidden_processes"] != 0;
    must(told && report["sockets"][0]["uid"] == 0, format!("{report:#}"))
}

fn watch(world: &mut World) -> Outcome {
    let mut command = world.command(&["doctor", "ports", "--watch", "--interval", "100ms"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    world.keep(child);
    let held = socket(TCP, "127.0.0.1", 8080);
    let mut next = |sign: &str, what: &str| -> Outcome {
        // Bounded by the case's own time.
        loop {
            let line =
                lines.next().ok_or_else(|| "it ended".to_owned())?.map_err(|it| it.to_string())?;
            if line.contains(&format!(" {sign} {what}")) && line.contains("127.0.0.1:8080") {
                return Ok(());
            }
        }
    };
    next("+", "finding")?;
    next("+", "socket")?;
    drop(held);
    next("-", "finding")?;
    next("-", "socket")?;
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let status = world.children[0].wait().unwrap();
    must(status.code() == Some(0), format!("{status}"))
}

fn watch_unread(world: &mut World) -> Outcome {
    let mut command = world.command(&["doctor", "ports", "--watch", "--interval", "100ms"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    must(status.code() == Some(0), format!("{status}"))
}

fn all_doctors(world: &mut World) -> Outcome {
    world.registry("services: {web: {port: 8080}}");
    let held = socket(TCP, "0.0.0.0", 8080);
    let output = world.command(&["doctor", "--json"]).output().unwrap();
    drop(held);
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    must(report["schema"] == "jail.doctor/1", format!("{report:#}"))?;
    must(output.status.code() == Some(1), format!("{}", output.status))?;
    let sections = report["sections"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> = sections.iter().map(|it| it["doctor"].clone()).collect();
    let all = ["host", "ports", "policy", "audit", "containers", "compose"];
    must(names == all, format!("{names:?}"))?;
    let rules: Vec<_> =
        report["rules"].as_array().into_iter().flatten().map(|it| it["id"].clone()).collect();
    for finding in
        sections.iter().flat_map(|it| it["findings"].as_array().cloned().unwrap_or_default())
    {
        let whole =
            ["rule", "severity", "evidence", "fix"].iter().all(|it| finding[it].is_string());
        must(whole && rules.contains(&finding["rule"]), format!("{finding:#}"))?;
    }
    must(rules.contains(&"ports.not-loopback".into()), format!("{rules:?}"))
}

fn fix(world: &mut World) -> Outcome {
    world.registry("services: {}");
    let file = world.folder.path().join(".cloned/ports.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let text = |args: &[&str]| {
        let output = world.command(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let before = text(&["doctor"]);
    must(before.contains("policy.open-file"), before)?;
    let fixed = text(&["doctor", "--fix"]);
    must(fixed.contains("fixed: chmod go-w") && !fixed.contains("policy.open-file"), fixed)?;
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    must(mode == 0o644, format!("{mode:o}"))
}
