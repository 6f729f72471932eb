//! `jail init`, `jail check` and `jail schema` as a person types them.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

#[must_use]
fn jail(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jail"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir.join("home"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn initialised() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(jail(dir.path(), &["init"]).status.code(), Some(0));
    dir
}

#[test]
fn init_makes_a_workspace_that_passes_its_check() {
    let dir = initialised();
    let ignored = fs::read_to_string(dir.path().join(".cloned/.gitignore")).unwrap();
    for name in ["state.db", "audit.log", "audit.head*", "run/"] {
        assert!(ignored.lines().any(|line| line == name), "{name}");
    }
    assert!(dir.path().join(".cloned/policy").is_dir());
    let check = jail(dir.path(), &["check"]);
    assert_eq!((check.status.code(), stdout(&check)), (Some(0), ""));

    let again = jail(dir.path(), &["init"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(stdout(&again).lines().all(|line| line.starts_with("exists, left as it is: .cloned")));
}

#[test]
fn init_in_another_folder() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("project")).unwrap();
    assert_eq!(jail(dir.path(), &["init", "project"]).status.code(), Some(0));
    assert!(dir.path().join("project/.cloned/connectors/example.yaml").is_file());
    assert_eq!(jail(dir.path(), &["init", "missing"]).status.code(), Some(2));
}

#[test]
fn check_tells_all_problems_of_all_manifests() {
    let dir = initialised();
    let folder = dir.path().join(".cloned/connectors");
    fs::write(folder.join("a.yaml"), "name: a\ncommand: x\nlimits: {memory: 0, pids: 0}\n")
        .unwrap();
    fs::write(folder.join("b.yaml"), "name: b\ncommand: x\nlimts: {}\n").unwrap();
    fs::write(folder.join("c.yml"), "").unwrap();
    fs::write(folder.join(".b.yaml.swp"), "").unwrap();
    let check = jail(dir.path(), &["check"]);
    assert_eq!(check.status.code(), Some(1));
    let lines: Vec<&str> = stdout(&check).lines().collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains("c.yml:1:1: is not read"));
    assert!(lines[1].contains("a.yaml:3:18: field limits.memory: "));
    assert!(lines[2].contains("a.yaml:3:27: field limits.pids: "));
    assert!(
        lines[3].contains("b.yaml:3:1: field limts: ")
            && lines[3].ends_with("did you mean `limits`?")
    );

    let one = jail(dir.path(), &["check", "b", "--json"]);
    assert_eq!(one.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(report["checked"], serde_json::json!(["b"]));
    let problem = &report["problems"][0];
    assert_eq!((&problem["line"], &problem["field"]), (&3.into(), &"limts".into()));
    assert_eq!(problem["hint"], "did you mean `limits`?");
}

#[test]
fn a_fault_of_the_defaults_is_told_once() {
    let dir = initialised();
    fs::write(dir.path().join(".cloned/connectors/a.yaml"), "name: a\ncommand: x\n").unwrap();
    let config = dir.path().join("home/.config/jail");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("defaults.yaml"), "limits: {memory: 0}\n").unwrap();
    let check = jail(dir.path(), &["check"]);
    assert_eq!((check.status.code(), stdout(&check).lines().count()), (Some(1), 1));
}

#[test]
fn check_that_cannot_look_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(jail(dir.path(), &["check"]).status.code(), Some(2));
    let dir = initialised();
    assert_eq!(jail(dir.path(), &["check", "missing"]).status.code(), Some(2));
    assert_eq!(jail(dir.path(), &["check", "../x"]).status.code(), Some(2));
}

#[test]
fn the_schema_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let schema = jail(dir.path(), &["schema", "connector"]);
    assert_eq!(schema.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["properties"].as_object().unwrap().len(), 17);
}
