//! What was refused is explained afterwards, and seen while it goes on. No packet leaves: a name that no
//! rule allows is not looked up.

use super::support::{
    Case, Outcome, assert_code, assert_refused, signal, skip, stderr, stdout, trial, within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("why::a_refused_host_from_the_connector_to_the_rule", refused_host),
        trial("why::nothing_is_said_of_nothing", silence),
        trial("why::limits_and_refusals", limits),
        trial("why::which_run_is_meant", which),
        trial("ps::what_runs_with_its_counters", running),
        trial("ps::one_that_was_killed_is_not_listed", killed),
    ]
}

/// A workspace with one connector behind a tool; what it runs is `$SCRIPT` of the manifest.
fn workspace(script: &str, more: &str) -> Case {
    let case = Case::new();
    let script = serde_json::to_string(script).unwrap();
    let text = format!(
        "tool: a.b@v1\ncommand: sh\nargs: [\"-c\", {script}]\nenv: {{MARK: {}}}\n{more}",
        case.mark
    );
    case.manifest("looker", &text);
    case
}

const NETWORK: &str = "network: {allow: [allowed.example], deny: [denied.example]}\n";
const LOOK: &str = "for host in evil.example denied.example; do getent ahosts $host; done; ";

fn no_getent() -> bool {
    !["/usr/bin/getent", "/bin/getent"].iter().any(|path| Path::new(path).exists())
}

fn verb(case: &Case, args: &[&str]) -> Output {
    case.jail(args).output().unwrap()
}

fn json(case: &Case, args: &[&str]) -> Value {
    let output = verb(case, args);
    assert_code(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused_host() -> Outcome {
    if no_getent() {
        return skip("getent is not installed");
    }
    let case = workspace(&format!("{LOOK}true"), NETWORK);
    let report = case.path("report.json");
    let report_file = report.to_str().unwrap();
    let ran = verb(&case, &["run", "looker", "--report", "json", "--report-file", report_file]);
    assert_code(&ran, 0);
    let report: Value = serde_json::from_slice(&fs::read(report_file).unwrap()).unwrap();
    let run = report["run"].as_str().unwrap();
    let network = &report["network"];
    assert!(network["denied"].as_u64().unwrap() >= 2 && network["allowed"] == 0, "{network}");
    assert!(network["denied_hosts"]["evil.example"].as_u64().unwrap() >= 1, "{network}");
    let err = stderr(&ran);
    assert!(err.contains("jail: network: 0 connections, 0 B out, 0 B in; refused: "), "{err}");
    assert!(err.contains(&format!("jail why {run} shows more")), "{err}");

    let story = json(&case, &["why", "--json"]);
    assert_eq!((&story["run"], &story["tool"]), (&run.into(), &"a.b@v1".into()));
    let command = "jail firewall allow --tool a.b@v1 evil.example";
    let commands = story["patch"]["commands"].as_array().unwrap();
    assert_eq!((commands.len(), &commands[0]["command"]), (1, &command.into()));
    assert_eq!(story["patch"]["manifest"], "network:\n  allow:\n    - evil.example\n");
    // The manifest's own rule denies the other one, which no command can change.
    let text = stdout(&verb(&case, &["why", &run[..6]]));
    assert!(
        text.contains("denied.example: denied by ") && text.contains("take it out there"),
        "{text}"
    );
    assert!(text.contains(command) && text.contains("not recorded:"), "{text}");

    // What it says works: now the name is allowed, and fails for want of an answer at most.
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert_code(&verb(&case, &words), 0);
    assert_code(&verb(&case, &["firewall", "check", "evil.example", "--connector", "looker"]), 0);
    let end = stdout(&verb(&case, &["audit", "show", "--kind", "run-end", "--json"]));
    let end: Value = serde_json::from_str(&end).unwrap();
    assert_eq!(end["event"]["denied"], network["denied"]);
    assert_code(&verb(&case, &["audit", "verify"]), 0);
    Ok(())
}

fn silence() -> Outcome {
    let case = workspace("true", NETWORK);
    let said = |args: &[&str]| stderr(&verb(&case, args)).contains("jail: network:");
    assert!(!said(&["run", "looker"]), "nothing happened");
    assert!(!said(&["run", "-q", "--", "true"]), "there was no way out");
    if no_getent() {
        return skip("getent is not installed");
    }
    let case = workspace(LOOK, NETWORK);
    let said = |args: &[&str]| stderr(&verb(&case, args)).contains("jail: network:");
    assert!(said(&["run", "looker"]) && !said(&["run", "-q", "looker"]));
    Ok(())
}

fn limits() -> Outcome {
    let case = workspace("sleep 60", "limits: {timeout: 300ms}\n");
    assert_code(&verb(&case, &["run", "-q", "looker"]), 124);
    let story = json(&case, &["why", "--json"]);
    assert_eq!(story["patch"]["manifest"], "limits:\n  timeout: 600ms\n");
    assert_eq!(story["refused"][0]["object"], "time");

    // head(1) itself is ended, since the shell gives its place to it.
    let big = "exec head -c 2000000 /dev/zero > /workspace/big";
    let case = workspace(big, "limits: {file_size: 1MiB}\n");
    assert_code(&verb(&case, &["run", "-q", "looker"]), 128 + libc::SIGXFSZ);
    let story = json(&case, &["why", "--json"]);
    assert_eq!(story["refused"][0]["mechanism"], "rlimit");
    assert_eq!(story["patch"]["manifest"], "limits:\n  file_size: 2MiB\n");
    // What it says is a policy.
    let lines = story["patch"]["manifest"].as_str().unwrap();
    let case = workspace(big, lines);
    assert_code(&verb(&case, &["check", "looker"]), 0);
    assert_code(&verb(&case, &["run", "-q", "looker"]), 0);

    let secret = "secrets: [{name: k, from: {env: NOT_SET}, to: {env: K}}]\n";
    let case = workspace("true", secret);
    assert_refused(&verb(&case, &["run", "-q", "looker"]), 125, &["NOT_SET"]);
    let text = stdout(&verb(&case, &["why"]));
    assert!(text.contains("refused: the connector was not started"), "{text}");
    assert!(text.contains("the run: ") && text.contains("the causes of the refusal"), "{text}");
    Ok(())
}

fn which() -> Outcome {
    let case = workspace("true", "");
    let none = verb(&case, &["why"]);
    assert_refused(&none, 2, &["audit.log"]);
    for _ in 0..2 {
        assert_code(&verb(&case, &["run", "-q", "looker"]), 0);
    }
    let starts = stdout(&verb(&case, &["audit", "show", "--kind", "run-start", "--json"]));
    let starts: Vec<Value> =
        starts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, last] = [0, 1].map(|n: usize| starts[n]["event"]["run"].as_str().unwrap());
    assert_eq!(json(&case, &["why", "--json"])["run"], last);
    assert_eq!(json(&case, &["why", "last", "--json"])["run"], last);
    assert_eq!(json(&case, &["why", first, "--json"])["run"], first);
    // Not hexadecimal: no run begins with it.
    let unknown = format!("{}x", &first[..6]);
    assert_refused(
        &verb(&case, &["why", &unknown]),
        2,
        &["begins with", &format!("jail why {first}")],
    );
    assert_refused(&verb(&case, &["why", ""]), 2, &["2 runs", first, last]);
    Ok(())
}

/// A connector that looks and then waits.
fn start(case: &Case) -> Child {
    case.jail(&["run", "-q", "looker"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn listed(case: &Case) -> Vec<Value> {
    json(case, &["ps", "--json"]).as_array().unwrap().clone()
}

fn running() -> Outcome {
    if no_getent() {
        return skip("getent is not installed");
    }
    let case = workspace(&format!("{LOOK}read line; true"), NETWORK);
    let mut run = start(&case);
    let denied = |one: &Value| one["network"]["denied"].as_u64().unwrap_or(0);
    let seen = || listed(&case).first().is_some_and(|one| denied(one) >= 2);
    assert!(within(Duration::from_secs(20), seen), "{:?}", listed(&case));
    let all = listed(&case);
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&one["connector"], &one["tool"]), (&"looker".into(), &"a.b@v1".into()));
    assert_eq!(one["pid"], run.id());
    assert!(one["network"]["denied_hosts"]["evil.example"].is_u64(), "{one}");
    let text = stdout(&verb(&case, &["ps"]));
    assert!(text.starts_with("RUN ") && text.contains(one["run"].as_str().unwrap()), "{text}");
    // It still runs, which `why` says.
    assert!(stdout(&verb(&case, &["why"])).contains("no end is recorded"));
    // The end of its input is the end of it.
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
    assert_eq!(listed(&case), [] as [Value; 0]);
    Ok(())
}

fn killed() -> Outcome {
    let case = workspace("read line", NETWORK);
    let mut run = start(&case);
    assert!(within(Duration::from_secs(20), || listed(&case).len() == 1), "it is not listed");
    assert_eq!(listed(&case)[0]["network"]["denied"], 0);
    // Not of this workspace.
    let other = workspace("true", "");
    assert_eq!(listed(&other), [] as [Value; 0]);
    // It is listed before it begins.
    let log = || fs::read_to_string(case.path("work/.cloned/audit.log")).unwrap_or_default();
    assert!(within(Duration::from_secs(20), || log().contains('\n')), "it does not begin");
    signal(&run, Signal::SIGKILL);
    run.wait().unwrap();
    assert_eq!(listed(&case), [] as [Value; 0]);
    // Another process of that number, at most by chance the same: the start names more than the pid.
    let start: Value = serde_json::from_str(log().lines().next().unwrap()).unwrap();
    let born = &start["event"]["born"];
    assert!(born["ticks"].as_u64().unwrap() > 0 && born["boot"].is_string(), "{born}");
    case.assert_nothing_left();
    let mut holders = Command::new("sh");
    let run = start["event"]["run"].as_str().unwrap();
    holders.args(["-c", &format!("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c memfd:jail-{run}")]);
    assert_eq!(stdout(&holders.output().unwrap()), "0\n");
    Ok(())
}
