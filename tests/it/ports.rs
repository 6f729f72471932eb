//! `jail ports` as a person types it, and many of them at once. Nothing here depends on what listens on
//! this machine; that is in `integration/network/scenarios/ports.rs`, in a namespace of its own.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.args(args).current_dir(dir).env_clear().env("HOME", dir.join("home"));
    command
}

fn ports(dir: &Path, args: &[&str]) -> Output {
    command(dir, &[&["ports"], args].concat()).output().unwrap()
}

#[track_caller]
fn says(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = ports(dir, args);
    let text =
        String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no {word:?} in {text}");
    }
}

fn workspace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".cloned")).unwrap();
    dir
}

fn file(dir: &Path) -> String {
    fs::read_to_string(dir.join(".cloned/ports.yaml")).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let output = ports(dir, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(dir: &Path) -> BTreeSet<String> {
    let list = json(dir, &["list", "--json"]);
    let services = list["services"].as_array().unwrap().iter();
    services.map(|service| service["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn localai_is_registered_listed_and_taken_out() {
    let dir = workspace();
    let dir = dir.path();
    says(dir, &["list"], 0, &["nothing is registered"]);
    let add = ["add", "localai", "--port", "8080", "--container", "cloned-localai"];
    says(dir, &add, 0, &["localai: tcp 127.0.0.1:8080, container cloned-localai", "ports.yaml:5"]);
    says(dir, &add, 0, &["was there already"]);
    assert!(file(dir).ends_with("localai: {port: 8080, container: cloned-localai}\n"));
    says(dir, &["list"], 0, &["localai", "127.0.0.1:8080", "container cloned-localai"]);
    let service = &json(dir, &["list", "--json"])["services"][0];
    assert_eq!((&service["port"], &service["bind"]), (&8080.into(), &"127.0.0.1".into()));
    assert_eq!((&service["proto"], &service["line"]), (&"tcp".into(), &5.into()));
    says(dir, &["add", "other", "--port", "8080"], 2, &["that of `localai` already"]);
    says(dir, &["add", "localai", "--port", "8081"], 2, &["jail ports remove localai"]);
    says(dir, &["remove", "localia"], 1, &["nothing removed", "jail ports remove localai"]);
    says(dir, &["remove", "localai"], 0, &["removed: localai"]);
    assert_eq!(names(dir), BTreeSet::new());
}

#[test]
fn what_is_wrong_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), &["list"], 2, &["no `.cloned` folder", "jail init"]);
    let dir = workspace();
    let dir = dir.path();
    for args in [
        &["add", "A", "--port", "1"][..],
        &["add", "a"],
        &["add", "a", "--port", "0"],
        &["add", "a", "--port", "65536"],
        &["add", "a", "--port", "1", "--proto", "sctp"],
        &["add", "a", "--port", "1", "--bind", "localhost"],
        &["add", "a", "--port", "1", "--connector", "b", "--container", "c"],
        &["add", "a", "--port", "1", "--container", "c", "--program", "d"],
        &["add", "a", "--port", "1", "--note", ""],
        &["allocate", "a", "--range", "9-1"],
        &["request", "a"],
    ] {
        says(dir, args, 2, &[]);
    }
    assert!(!dir.join(".cloned/ports.yaml").exists());
    fs::write(dir.join(".cloned/ports.yaml"), "version: 1\nservces: {}\n").unwrap();
    let told = ["ports.yaml:2:1", "did you mean `services`?"];
    for args in [&["list"][..], &["add", "a", "--port", "1"], &["allocate", "a"]] {
        says(dir, args, 2, &told);
    }
    let check = command(dir, &["check"]).output().unwrap();
    assert_eq!(check.status.code(), Some(1));
    let text = String::from_utf8(check.stdout).unwrap();
    assert!(told.iter().all(|word| text.contains(word)), "{text}");
    fs::write(dir.join(".cloned/ports.yaml"), "version: 1\n").unwrap();
    assert_eq!(command(dir, &["check"]).output().unwrap().status.code(), Some(0));
}

#[test]
fn other_machines_need_a_word_of_their_own() {
    let dir = workspace();
    let dir = dir.path();
    let add = ["add", "web", "--port", "443", "--bind", "0.0.0.0"];
    let told = ["other machines can reach 0.0.0.0", "policy denies", "add --non-loopback"];
    says(dir, &add, 2, &told);
    says(dir, &["allocate", "x", "--bind", "0.0.0.0"], 2, &told);
    assert!(!dir.join(".cloned/ports.yaml").exists());
    says(dir, &[&add[..], &["--non-loopback"]].concat(), 0, &["web: tcp 0.0.0.0:443"]);
    let policy = "version: 1\npolicy: {non_loopback: allow}\n";
    fs::write(dir.join(".cloned/ports.yaml"), policy).unwrap();
    says(dir, &add, 0, &["web: tcp 0.0.0.0:443"]);
}

#[test]
fn a_port_is_allocated_once_and_printed_alone() {
    let dir = workspace();
    let dir = dir.path();
    let allocate = ["allocate", "web", "--range", "20000-20999", "--program", "node"];
    let first = ports(dir, &allocate);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let text = String::from_utf8(first.stdout).unwrap();
    let port: u16 = text.strip_suffix('\n').unwrap().parse().unwrap();
    assert!((20000..=20999).contains(&port));
    for args in [&allocate[..], &["allocate", "web"]] {
        assert_eq!(String::from_utf8(ports(dir, args).stdout).unwrap(), text);
    }
    let entry = json(dir, &["allocate", "web", "--json"]);
    assert_eq!((&entry["port"], &entry["program"]), (&port.into(), &"node".into()));
    says(dir, &["allocate", "web", "--range", "1-2"], 2, &["has port"]);
    says(dir, &["allocate", "web", "--proto", "udp"], 2, &["registered already, otherwise"]);
    // In a workspace of its own, and taken out and back in: the same.
    let other = workspace();
    assert_eq!(String::from_utf8(ports(other.path(), &allocate).stdout).unwrap(), text);
    says(dir, &["remove", "web"], 0, &[]);
    assert_eq!(String::from_utf8(ports(dir, &allocate).stdout).unwrap(), text);
}

#[test]
fn a_connector_is_given_what_is_reserved_for_it() {
    let dir = workspace();
    let dir = dir.path();
    let text = "version: 1\nreserved: {preview: [23100-23101]}\n";
    fs::write(dir.join(".cloned/ports.yaml"), text).unwrap();
    says(dir, &["list"], 0, &["(reserved)", "23100-23101", "connector preview"]);
    for name in ["a", "b"] {
        let entry = json(dir, &["allocate", name, "--connector", "preview", "--json"]);
        assert!((23100..=23101).contains(&entry["port"].as_u64().unwrap()), "{entry}");
    }
    let third = ["allocate", "c", "--connector", "preview"];
    says(dir, &third, 2, &["no port of 23100-23101 is free", "2 are registered"]);
    says(dir, &["allocate", "d", "--range", "23100-23101"], 2, &["no port of 23100-23101"]);
}

#[test]
fn a_request_waits_and_grants_nothing() {
    let dir = workspace();
    let dir = dir.path();
    says(dir, &["list", "--pending"], 0, &["nobody waits"]);
    let ask = ["request", "web", "--port", "3000", "--connector", "web", "--reason", "a preview"];
    let fix = "jail approvals approve ";
    says(dir, &ask, 0, &["nothing is granted yet", fix]);
    says(dir, &ask, 0, &["was asked for already", fix]);
    assert!(!dir.join(".cloned/ports.yaml").exists());
    says(dir, &["list"], 0, &["1 request waits"]);
    says(dir, &["list", "--pending"], 0, &["web: tcp 127.0.0.1:3000", "(a preview)", fix]);
    let pending = json(dir, &["list", "--pending", "--json"]);
    assert_eq!(pending["pending"].as_array().unwrap().len(), 1);
    let request = &pending["pending"][0];
    assert_eq!(request["change"], format!("{fix}{}", request["id"].as_str().unwrap()));
    assert_eq!((&request["times"], &request["connector"]), (&2.into(), &"web".into()));
    let add = ["add", "web", "--port", "3000", "--connector", "web"];
    says(dir, &add, 0, &["this grants the request"]);
    says(dir, &["list", "--pending"], 0, &["nobody waits"]);
    says(dir, &ask, 0, &["is registered already"]);
    says(dir, &["request", "dns", "--port", "53", "--proto", "udp"], 0, &[fix]);
    says(dir, &["list", "--pending"], 0, &["dns: udp 127.0.0.1:53"]);
    says(dir, &["remove", "--pending", "dns"], 0, &["denied: port 127.0.0.1:53/udp for dns"]);
    says(dir, &["remove", "--pending", "dns"], 1, &["nobody asked"]);
}

/// The entry is made, whatever becomes of the request.
#[test]
fn a_broken_database_keeps_nobody_from_registering() {
    let dir = workspace();
    let dir = dir.path();
    let state = dir.join(".cloned/state.db");
    fs::write(&state, "no database").unwrap();
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    says(dir, &["add", "web", "--port", "3000"], 0, &["it is registered", "state.db"]);
    assert!(file(dir).contains("3000"));
    says(dir, &["request", "other", "--port", "3001"], 2, &["state.db"]);
}

fn start(dir: &Path, args: &[&str]) -> Child {
    let mut command = command(dir, &[&["ports"], args].concat());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Eight writers, each with edits of its own: some add, some take out again, some are given a port.
#[test]
fn many_writers_lose_nothing() {
    let dir = workspace();
    let comment = "# Ours.\nversion: 1\nservices:\n\n  # The first.\n  first: {port: 1}\n# end\n";
    fs::write(dir.path().join(".cloned/ports.yaml"), comment).unwrap();
    let root = dir.path();
    std::thread::scope(|scope| {
        for writer in 0..8u16 {
            scope.spawn(move || {
                for round in 0..6u16 {
                    let number = writer * 10 + round;
                    let (kept, gone) = (format!("k{number}"), format!("g{number}"));
                    let port = |base: u16| (base + number).to_string();
                    let note = format!("of {writer}");
                    let (own, short) = (port(1000), port(2000));
                    let add = ["add", &kept, "--port", &own, "--note", &note];
                    for args in [&add[..], &["add", &gone, "--port", &short], &["remove", &gone]] {
                        let output = ports(root, args);
                        let text = String::from_utf8_lossy(&output.stderr);
                        assert!(output.status.success(), "{args:?}: {text}");
                    }
                }
                let name = format!("a{writer}");
                assert!(
                    ports(root, &["allocate", &name, "--range", "24000-24063"]).status.success()
                );
            });
        }
    });
    let expected: BTreeSet<String> = (0..8)
        .flat_map(|writer| (0..6).map(move |round| format!("k{}", writer * 10 + round)))
        .chain((0..8).map(|writer| format!("a{writer}")))
        .chain(["first".to_owned()])
        .collect();
    assert_eq!(names(root), expected);
    let text = file(root);
    let start = comment.strip_suffix("# end\n").unwrap();
    assert!(text.starts_with(start) && text.ends_with("\n# end\n"), "{text}");
    let left: Vec<_> = fs::read_dir(root.join(".cloned")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Killed after a time that grows from nothing to more than a whole edit takes: what was told as done is
/// there, and the file is right at every moment.
#[test]
fn a_killed_writer_leaves_a_right_file() {
    let dir = workspace();
    let before = std::time::Instant::now();
    says(dir.path(), &["add", "first", "--port", "1"], 0, &[]);
    let whole = before.elapsed();
    let mut killed = 0;
    for round in 0..60u32 {
        let (name, port) = (format!("s{round}"), (1000 + round).to_string());
        let mut writer = start(dir.path(), &["add", &name, "--port", &port]);
        std::thread::sleep(whole * round / 40);
        writer.kill().unwrap();
        let finished = writer.wait().unwrap().success();
        let names = names(dir.path());
        assert!(names.contains("first"));
        assert!(!finished || names.contains(&name), "told as done and not there: {name}");
        killed += u32::from(!finished);
    }
    assert!(killed > 0, "no writer was killed");
    says(dir.path(), &["add", "last", "--port", "2"], 0, &[]);
    let left: Vec<_> = fs::read_dir(dir.path().join(".cloned")).unwrap().collect();
    assert_eq!(left.len(), 2, "what killed writers left is cleared away: {left:?}");
}

#[test]
fn the_schema_describes_every_field() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), &["schema", "ports"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (of, count) in [(&schema, 4), (&schema["$defs"]["RawService"], 8)] {
        let fields = of["properties"].as_object().unwrap();
        assert_eq!(fields.len(), count, "{fields:?}");
        for (name, field) in fields {
            assert!(field["description"].as_str().is_some_and(|it| it.len() > 10), "{name}");
        }
    }
}
