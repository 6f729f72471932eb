//! `jail firewall` as a person types it, and many of them at once.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.arg("firewall").args(args).current_dir(dir).env_clear().env("HOME", dir.join("home"));
    command
}

fn firewall(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

#[track_caller]
fn says(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = firewall(dir, args);
    let text =
        String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no {word:?} in {text}");
    }
}

fn workspace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join(".cloned/connectors")).unwrap();
    let manifest = "name: search\ncommand: x\ntool: cloned.mcp.web.search@v1\n\
                    network: {allow: [\"own.example.com:8443\"]}\n";
    fs::write(dir.path().join(".cloned/connectors/search.yaml"), manifest).unwrap();
    dir
}

fn file(dir: &Path) -> String {
    fs::read_to_string(dir.join(".cloned/policy/firewall.yaml")).unwrap()
}

#[test]
fn what_no_rule_names_is_denied_or_asked_for() {
    let dir = workspace();
    let dir = dir.path();
    says(dir, &["unlisted"], 0, &["deny"]);
    says(dir, &["unlisted", "ask"], 0, &["unlisted: ask, from now on"]);
    says(dir, &["unlisted", "ask"], 0, &["as before"]);
    says(dir, &["unlisted"], 0, &["ask"]);
    says(dir, &["list"], 0, &["unlisted ask"]);
    let rule = "rules:\n  - allow: a.example.com\n    connector: search\n    run: 0123456789ab\n    \
                once: true\n    request: k3v4x2abcd\n";
    let text = file(dir);
    fs::write(dir.join(".cloned/policy/firewall.yaml"), text + rule).unwrap();
    says(
        dir,
        &["list"],
        0,
        &["connector search, one connection of run 0123456789ab", "answers k3v4x2abcd"],
    );
    let list: Value = serde_json::from_slice(&firewall(dir, &["list", "--json"]).stdout).unwrap();
    let rule = &list["rules"][0];
    assert_eq!((&list["unlisted"], &rule["once"]), (&"ask".into(), &true.into()));
    assert_eq!((&rule["run"], &rule["request"]), (&"0123456789ab".into(), &"k3v4x2abcd".into()));
    assert_eq!(rule["connector"], "search");
    says(dir, &["unlisted", "no"], 2, &["`deny` or `ask`"]);
}

#[test]
fn the_words_of_the_application_work() {
    let dir = workspace();
    let dir = dir.path();
    let tool = "cloned.mcp.web.search@v1";
    says(dir, &["allow", "--tool", tool, "api.search.brave.com"], 0, &["firewall.yaml:5"]);
    says(dir, &["allow", "api.duckduckgo.com"], 0, &["allow api.duckduckgo.com"]);
    says(dir, &["allow", "api.duckduckgo.com"], 0, &["was there already"]);
    assert_eq!(file(dir).matches("duckduckgo").count(), 1);
    says(dir, &["check", "api.search.brave.com", "--tool", tool], 0, &["allowed by"]);
    says(
        dir,
        &["check", "api.search.brave.com", "--tool", "other@v1"],
        1,
        &["refused", "allow --tool other@v1"],
    );
    says(dir, &["list"], 0, &["api.search.brave.com", tool, "api.duckduckgo.com"]);
    // For a tool is not for all: that one stays, and is named.
    says(dir, &["remove", "api.search.brave.com"], 1, &["nothing removed", "remove --tool"]);
    says(dir, &["remove", "--tool", tool, "api.search.brave.com"], 0, &["removed"]);
    says(dir, &["remove", "api.duckduckgo.com"], 0, &["removed"]);
    says(dir, &["check", "api.duckduckgo.com", "--connector", "search"], 1, &["no rule allows it"]);
}

#[test]
fn what_denies_comes_first_and_is_told() {
    let dir = workspace();
    let dir = dir.path();
    says(
        dir,
        &["check", "own.example.com:8443", "--connector", "search"],
        0,
        &["search.yaml:4", "deny"],
    );
    says(dir, &["deny", "*.example.com"], 0, &["deny *.example.com"]);
    says(dir, &["allow", "own.example.com:8443"], 0, &["stays refused", "remove '*.example.com'"]);
    says(
        dir,
        &["check", "own.example.com:8443", "--connector", "search"],
        1,
        &["firewall.yaml", "remove '*.example.com'"],
    );
    says(dir, &["remove", "*.example.com"], 0, &["removed"]);
    says(dir, &["check", "own.example.com:8443", "--connector", "search"], 0, &["allowed"]);
    says(dir, &["check", "own.example.com", "--connector", "search"], 1, &["8443"]);
}

#[test]
fn json_is_what_help_says() {
    let dir = workspace();
    let dir = dir.path();
    says(
        dir,
        &["allow", "a.example.com", "--reason", "why: not", "--expires", "2h", "--raw"],
        0,
        &[],
    );
    says(dir, &["proxy", "--set", "http://127.0.0.1:8081", "--credentials-env", "PROXY"], 0, &[]);
    let list: Value = serde_json::from_slice(&firewall(dir, &["list", "--json"]).stdout).unwrap();
    let rule = &list["rules"][0];
    assert_eq!((&rule["host"], &rule["port"]), (&"a.example.com".into(), &443.into()));
    assert_eq!((&rule["reason"], &rule["raw"]), (&"why: not".into(), &true.into()));
    assert_eq!((&rule["effect"], &rule["expired"]), (&"allow".into(), &false.into()));
    assert_eq!(list["upstream"]["url"], "http://127.0.0.1:8081");
    let check = firewall(dir, &["check", "b.example.com", "--connector", "search", "--json"]);
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!((&check["allowed"], &check["code"]), (&false.into(), &"not-listed".into()));
    assert_eq!(
        check["change"],
        "jail firewall allow --tool cloned.mcp.web.search@v1 b.example.com"
    );
}

#[test]
fn what_is_wrong_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), &["list"], 2, &["no `.cloned` folder", "jail init"]);
    let dir = workspace();
    let dir = dir.path();
    for target in ["*.com", "https://a.example", "a.example:0", "127.1", "", "a b"] {
        says(dir, &["allow", target], 2, &[]);
    }
    says(dir, &["check", "a.example"], 2, &["--tool"]);
    says(dir, &["proxy", "--set", "http://me:hunter2@127.0.0.1:1"], 2, &["credentials"]);
    assert!(!dir.join(".cloned/policy").exists());
    fs::create_dir(dir.join(".cloned/policy")).unwrap();
    fs::write(dir.join(".cloned/policy/other.yaml"), "version: 1\nruels: []\n").unwrap();
    says(dir, &["allow", "a.example"], 2, &["other.yaml:2:1", "did you mean `rules`?"]);
    assert!(!dir.join(".cloned/policy/firewall.yaml").exists());
}

/// Where the credentials are is told; what they are is read by no verb of these.
#[test]
fn credentials_are_shown_by_no_verb() {
    let dir = workspace();
    let dir = dir.path();
    fs::write(dir.join("secret"), "me:hunter2").unwrap();
    says(dir, &["proxy", "--set", "http://127.0.0.1:8081", "--credentials-file", "secret"], 0, &[]);
    let formats = ["squid", "envoy", "traefik", "nftables"];
    let mut lines: Vec<Vec<&str>> =
        formats.iter().map(|it| vec!["export", "--format", it]).collect();
    lines.extend([vec!["list"], vec!["list", "--json"], vec!["proxy"], vec!["proxy", "--json"]]);
    for args in lines {
        let output = firewall(dir, &args);
        let text = format!("{output:?}");
        assert!(output.status.success() && !text.contains("hunter2"), "{args:?}: {text}");
    }
    says(dir, &["proxy", "--set", "http://127.0.0.1:8082"], 0, &["not taken over"]);
    says(dir, &["proxy", "--unset"], 0, &["no proxy"]);
}

fn start(dir: &Path, args: &[&str]) -> Child {
    command(dir, args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn many_writers_lose_nothing() {
    let dir = workspace();
    let hosts: Vec<String> = (0..40).map(|number| format!("h{number}.example.com")).collect();
    let writers: Vec<Child> =
        hosts.iter().map(|host| start(dir.path(), &["allow", host])).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Some go while others come.
    let (gone, kept) = hosts.split_at(20);
    let come: Vec<String> = (40..60).map(|number| format!("h{number}.example.com")).collect();
    let writers: Vec<Child> = gone
        .iter()
        .map(|host| start(dir.path(), &["remove", host]))
        .chain(come.iter().map(|host| start(dir.path(), &["allow", host])))
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let list: Value =
        serde_json::from_slice(&firewall(dir.path(), &["list", "--json"]).stdout).unwrap();
    let mut found: Vec<&str> = list["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["host"].as_str().unwrap())
        .collect();
    let mut expected: Vec<&str> = kept.iter().chain(&come).map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Killed after a time that grows from nothing to more than a whole edit takes: what was told as
/// done is there, and the file is right at every moment.
#[test]
fn a_killed_writer_leaves_a_right_file() {
    let dir = workspace();
    let before = std::time::Instant::now();
    says(dir.path(), &["allow", "first.example.com"], 0, &[]);
    let whole = before.elapsed();
    let (mut killed, mut done) = (0, 0);
    for round in 0..100u32 {
        let host = format!("h{round}.example.com");
        let mut writer = start(dir.path(), &["allow", &host]);
        std::thread::sleep(whole * round / 60);
        writer.kill().unwrap();
        let finished = writer.wait().unwrap().success();
        let list = firewall(dir.path(), &["list", "--json"]);
        assert!(list.status.success(), "{}", file(dir.path()));
        let text = String::from_utf8(list.stdout).unwrap();
        assert!(text.contains("first.example.com"));
        if finished {
            assert!(text.contains(&host), "told as done and not there: {host}");
            done += 1;
        } else {
            killed += 1;
        }
    }
    assert!(killed > 0, "no writer was killed: {done} finished");
    says(dir.path(), &["allow", "last.example.com"], 0, &[]);
    let left: Vec<_> = fs::read_dir(dir.path().join(".cloned/policy")).unwrap().collect();
    assert_eq!(left.len(), 2, "what killed writers left is cleared away: {left:?}");
}
