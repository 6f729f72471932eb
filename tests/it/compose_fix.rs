//! `jail compose check` as a person calls it: exit codes, the forms of its report, and `--fix`.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn jail(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.args(["compose", "check"]).args(args).current_dir(folder).env_clear();
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const LOOSE: &str = "\
# A web server.
services:
  web: # the only one
    # Which one.
    image: nginx

    ports:
      # For everybody.
      - 8080:80   # http
      - \"0.0.0.0:8443:443\"
      - '[::]:9000:90'
      - 70
      - target: 71
        published: 7171
      - {target: 72, published: 7272, host_ip: 0.0.0.0}
      - {target: 73}
    tmpfs:
      - /tmp   # scratch
    pids_limit: -1
  flow: {image: redis, ports: [6379:6379, \"127.0.0.1:1:1\"]}
  listed:
    image: x
    security_opt:
      # a comment
      - seccomp=./a.json
";

const MENDED: &str = "\
# A web server.
services:
  web: # the only one
    logging: {driver: local}
    security_opt: [no-new-privileges:true]
    # Which one.
    image: nginx

    ports:
      # For everybody.
      - \"127.0.0.1:8080:80\"   # http
      - \"127.0.0.1:8443:443\"
      - \"[::1]:9000:90\"
      - \"127.0.0.1::70\"
      - host_ip: \"127.0.0.1\"
        target: 71
        published: 7171
      - {target: 72, published: 7272, host_ip: \"127.0.0.1\"}
      - {host_ip: \"127.0.0.1\", target: 73}
    tmpfs:
      - \"/tmp:noexec,nosuid,nodev\"   # scratch
    pids_limit: 256
  flow: {logging: {driver: local}, pids_limit: 256, security_opt: [no-new-privileges:true], image: redis, ports: [\"127.0.0.1:6379:6379\", \"127.0.0.1:1:1\"]}
  listed:
    logging: {driver: local}
    pids_limit: 256
    image: x
    security_opt:
      # a comment
      - no-new-privileges:true
      - seccomp=./a.json
";

#[test]
fn fix_mends_and_leaves_comments_alone() {
    let folder = folder(&[("compose.yaml", LOOSE)]);
    let output = jail(folder.path(), &["--fix"]);
    let text = fs::read_to_string(folder.path().join("compose.yaml")).unwrap();
    assert_eq!(text, MENDED, "{}", told(&output));
    assert!(!told(&output).contains("not mended"), "{}", told(&output));
    let found = jail(folder.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    let left = report["findings"].as_array().unwrap().iter().filter(|it| it["safe_fix"] == true);
    assert_eq!(left.count(), 0, "{}", told(&found));
    let again = jail(folder.path(), &["--fix"]);
    assert_eq!(fs::read_to_string(folder.path().join("compose.yaml")).unwrap(), MENDED);
    assert!(!told(&again).contains("fixed:"), "{}", told(&again));
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "something was left behind");
}

/// What is not laid out as one would think is left alone, and that is said.
#[test]
fn fix_changes_nothing_that_it_does_not_understand() {
    let text = "x-ports: &ports [\"80:80\"]\nservices:\n  a: {image: x, ports: *ports}\n  \
                b: {image: x, ports: *ports}\n  c:\n    image: x\n    ports: [\"${P:-81}:81\"]\n";
    let folder = folder(&[("compose.yaml", text)]);
    let output = jail(folder.path(), &["--fix"]);
    let after = fs::read_to_string(folder.path().join("compose.yaml")).unwrap();
    // The shared list is mended for one, and with it for the other: that is more than one finding less.
    assert!(after.contains("\"127.0.0.1:${P:-81}:81\""), "{after}\n{}", told(&output));
    let check = jail(folder.path(), &["--json"]);
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    let ids = report["findings"].as_array().unwrap().iter().map(|it| it["rule"].as_str().unwrap());
    assert!(ids.clone().all(|id| id != "compose.wrong"), "{}", told(&check));
}

#[test]
fn several_files_are_mended_where_the_value_stands() {
    let folder = folder(&[
        ("one.yaml", "services:\n  web:\n    image: x\n    pids_limit: 5\n"),
        ("two.yaml", "services:\n  web:\n    # here\n    ports: [\"80:80\"]\n"),
    ]);
    let one = fs::read_to_string(folder.path().join("one.yaml")).unwrap();
    let output = jail(folder.path(), &["one.yaml", "two.yaml", "--fix"]);
    let two = fs::read_to_string(folder.path().join("two.yaml")).unwrap();
    assert!(two.contains("    # here\n    ports: [\"127.0.0.1:80:80\"]\n"), "{two}");
    let now = fs::read_to_string(folder.path().join("one.yaml")).unwrap();
    assert!(now != one && now.contains("    image: x\n    pids_limit: 5\n"), "{}", told(&output));
}

#[test]
fn exit_codes() {
    let clean = "services:\n  web:\n    image: x\n    network_mode: none\n";
    let folder = folder(&[("compose.yaml", clean), ("bad.yaml", "services: {a: {imagee: x}}\n")]);
    let code = |args: &[&str]| jail(folder.path(), args).status.code();
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--fail-on", "warning"]), Some(1));
    assert_eq!(code(&["bad.yaml"]), Some(2));
    assert_eq!(code(&["none.yaml"]), Some(2));
    let bad = told(&jail(folder.path(), &["bad.yaml"]));
    assert!(bad.contains("did you mean `image`?") && bad.contains("bad.yaml:1:16"), "{bad}");
    let nothing = tempfile::tempdir().unwrap();
    let output = jail(nothing.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("there is no compose file"), "{}", told(&output));
}

#[test]
fn the_files_that_docker_compose_would_take() {
    let base = "services:\n  web:\n    image: x\n";
    let folder = folder(&[
        ("docker-compose.yml", base),
        ("docker-compose.override.yml", "services:\n  web:\n    privileged: true\n"),
        ("other.yaml", "services:\n  other:\n    image: y\n    pid: host\n"),
        (".env", "COMPOSE_FILE=\n"),
        ("sub/x", ""),
    ]);
    let found = told(&jail(&folder.path().join("sub"), &[]));
    assert!(found.contains("docker-compose.override.yml:3:17"), "{found}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.args(["compose", "check"]).current_dir(folder.path()).env_clear();
    let named = command.env("COMPOSE_FILE", "docker-compose.yml:other.yaml").output().unwrap();
    let named = told(&named);
    assert!(
        named.contains("compose.host-namespace") && !named.contains("compose.privileged"),
        "{named}"
    );
}

/// As docker compose: `COMPOSE_FILE` of `.env`, or of the files that `COMPOSE_ENV_FILES` names.
#[test]
fn the_files_that_env_files_name() {
    let bad = "services:\n  prod:\n    image: \"${IMAGE:?}\"\n    privileged: true\n";
    let folder = folder(&[
        ("compose.yaml", "services:\n  web:\n    image: x\n    pid: host\n"),
        ("sub/prod.yaml", bad),
        (".env", "COMPOSE_FILE=compose.yaml:sub/prod.yaml\nIMAGE=x\n"),
        (
            "other.env",
            "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=sub/prod.yaml;sub/more.yaml\nIMAGE=y\n",
        ),
        ("sub/more.yaml", "services: {more: {image: x, ipc: host}}\n"),
        ("no.env", "A=1\n"),
        ("broken.env", "no pair\n"),
    ]);
    let run = |below: &str, args: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
        command.args(["compose", "check", "--json"]).args(args);
        let output = command
            .current_dir(folder.path().join(below))
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let services: Vec<String> = report["services"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect();
        (services.join(" "), told(&output))
    };
    let listed = [("COMPOSE_ENV_FILES", "no.env,other.env")];
    for (below, args, variables, expected) in [
        ("", &[][..], &[][..], "web prod"),
        // From below, what would run in the folder of the project.
        ("sub", &[], &[], "web prod"),
        ("", &[], &listed, "prod more"),
        ("", &["--env-file", "other.env"], &[("COMPOSE_ENV_FILES", "no.env")], "prod more"),
        ("", &["--env-file", "no.env"], &[], "web"),
        ("", &[], &[("COMPOSE_FILE", "compose.yaml")], "web"),
        ("", &["compose.yaml"], &[], "web"),
    ] {
        let (services, told) = run(below, args, variables);
        assert_eq!(services, expected, "{below} {args:?} {variables:?}: {told}");
    }
    assert!(run("", &[], &[]).1.contains("compose.privileged"));
    let (_, error) = run("", &["--env-file", "broken.env"], &[]);
    assert!(error.contains("broken.env:1:1") && error.contains("NAME=VALUE"), "{error}");
    let (_, error) = run("", &[], &[("COMPOSE_ENV_FILES", "gone.env")]);
    assert!(error.contains("gone.env"), "{error}");
    // The doctor's section is of the same project.
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    let output = command.args(["doctor", "--json"]).current_dir(folder.path()).output().unwrap();
    assert!(told(&output).contains("compose.privileged"), "{}", told(&output));
}

/// Runs `--fix`, and gives the text that is left and what was said.
fn mended(files: &[(&str, &str)], args: &[&str]) -> (String, String) {
    let folder = folder(files);
    let output = jail(folder.path(), &[args, &["--fix"]].concat());
    (fs::read_to_string(folder.path().join("compose.yaml")).unwrap(), told(&output))
}

/// An edit that would change more than the finding's own field is none.
#[test]
fn fix_changes_nothing_else() {
    let rest = "logging: {driver: local}, pids_limit: 5, security_opt: [no-new-privileges:true]";
    let text = format!(
        "x-tmp: &tmp /tmp\nservices:\n  a: {{image: x, {rest}, tmpfs: [*tmp], environment: {{TMPDIR: *tmp}}}}\n"
    );
    let (after, said) = mended(&[("compose.yaml", &text)], &[]);
    assert_eq!(after, text, "{said}");
    assert!(said.contains("not mended, something else would change with it"), "{said}");
    assert!(!said.contains("fixed:"), "{said}");

    // What a profile leaves out is judged all the same.
    let text = format!(
        "services:\n  a: {{image: x, {rest}, ports: &p [\"80:80\"], profiles: [a]}}\n  \
         b: {{image: x, {rest}, ports: *p, profiles: [b], labels: {{jail.allow.compose.published-everywhere: it is meant}}}}\n"
    );
    for args in [&[][..], &["--profile", "a"]] {
        let (after, said) = mended(&[("compose.yaml", &text)], args);
        assert_eq!(after, text, "{said}");
        assert!(said.contains("something else would change with it"), "{said}");
    }
    let apart = text.replace("&p ", "").replace("*p", "[\"80:80\"]");
    let (after, said) = mended(&[("compose.yaml", &apart)], &["--profile", "a"]);
    assert_eq!(after, apart.replacen("\"80:80\"", "\"127.0.0.1:80:80\"", 1), "{said}");
}

/// What `extends` and `include` take in belongs to others, too.
#[test]
fn fix_leaves_files_of_others_alone() {
    let text = "services: {a: {extends: {file: base/common.yaml, service: base}}}\n";
    let base = "services:\n  base:\n    image: x\n    ports: [\"80:80\"]\n";
    let folder = folder(&[("p/compose.yaml", text), ("p/base/common.yaml", base)]);
    let output = jail(&folder.path().join("p"), &["--fix"]);
    assert_eq!(fs::read_to_string(folder.path().join("p/base/common.yaml")).unwrap(), base);
    assert!(told(&output).contains("taken in by `extends` or `include`"), "{}", told(&output));
}

#[test]
fn a_link_is_named() {
    let folder = folder(&[("real.yaml", "services:\n  a:\n    image: x\n")]);
    let link = folder.path().join("compose.yaml");
    std::os::unix::fs::symlink(folder.path().join("real.yaml"), &link).unwrap();
    let output = jail(folder.path(), &["--fix"]);
    assert!(told(&output).contains("not mended, the file is a link"), "{}", told(&output));
}

#[test]
fn fix_mends_a_port_of_variables() {
    for port in ["${PORT:-8080}:80", "${PORT:-80${X:-80}}:80", "'${PORT:-8080}:80'"] {
        let text = format!("services:\n  a:\n    image: x\n    ports:\n      - {port}   # why\n");
        let (after, said) = mended(&[("compose.yaml", &text)], &[]);
        let expected = format!("      - \"127.0.0.1:{}\"   # why\n", port.trim_matches('\''));
        assert!(after.contains(&expected), "{after}\n{said}");
    }
}

/// A comment allows what was looked at, and nothing that comes to its line later.
#[test]
fn a_comment_allows_one_value() {
    let counts = |text: &str| {
        let folder = folder(&[("compose.yaml", text)]);
        let output = jail(folder.path(), &["--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = |name: &str| {
            let all = report[name].as_array().unwrap().iter();
            let rule = |it: &Value| {
                it.get("finding").unwrap_or(it)["rule"] == "compose.privileged"
                    || it.get("finding").unwrap_or(it)["rule"] == "compose.published-everywhere"
            };
            all.filter(|it| rule(it)).cloned().collect::<Vec<_>>()
        };
        for it in of("allowed") {
            assert_eq!(it["finding"]["place"]["file"], "compose.yaml", "not shortened");
        }
        (of("findings"), of("allowed"), told(&output))
    };
    let anchor = |comment: &str| {
        format!(
            "x-a: &a\n  image: x\n  # jail: {comment}\n  privileged: true\nservices:\n  \
             one: {{<<: *a}}\n  two: {{<<: *a}}\n  three: {{<<: *a}}\n"
        )
    };
    let (found, allowed, said) = counts(&anchor("allow compose.privileged because it is one"));
    assert_eq!((found.len(), allowed.len()), (2, 1), "{said}");
    assert!(said.contains("the comment here allows one value of one service"), "{said}");
    let named = "allow compose.privileged for one, three because they are";
    let (found, allowed, said) = counts(&anchor(named));
    assert_eq!((found.len(), allowed.len()), (1, 2), "{said}");
    assert_eq!(found[0]["subject"], "service two");
    let unused = anchor("allow compose.privileged for one, four because they are");
    let (_, allowed, said) = counts(&unused);
    assert!(allowed.len() == 1 && said.contains("compose.privileged for four"), "{said}");
    let (found, allowed, said) = counts(&anchor("allowed compose.privileged because it was"));
    assert_eq!((found.len(), allowed.len()), (3, 0), "{said}");
    let list = "services:\n  a:\n    image: x\n    ports: [\"80:80\", \"22:22\"]  \
                # jail: allow compose.published-everywhere because of one\n";
    let (found, allowed, said) = counts(list);
    assert_eq!((found.len(), allowed.len()), (1, 1), "{said}");
}

#[test]
fn profiles_and_variables() {
    let text = "services:\n  web: {image: x, user: \"${WHO}\"}\n  debug: {image: x, profiles: [debug], privileged: true}\n";
    let folder =
        folder(&[("compose.yaml", text), ("root.env", "WHO=0\n"), ("some.env", "WHO=7:7\n")]);
    let has = |args: &[&str], what: &str| told(&jail(folder.path(), args)).contains(what);
    assert!(has(&[], "compose.privileged") && has(&["--profile", "debug"], "compose.privileged"));
    assert!(!has(&["--profile", "other"], "compose.privileged"));
    assert!(has(&[], "compose.unset-variable"));
    assert!(has(&["--env-file", "root.env"], "compose.root-user"));
    assert!(!has(&["--env-file", "some.env"], "compose.root-user"));
    assert!(has(&["--env-file", "root.env", "--env-file", "some.env"], "1 error"));
}

#[test]
fn json_and_sarif_say_the_same() {
    let folder = folder(&[("compose.yaml", LOOSE)]);
    let json: Value = serde_json::from_slice(&jail(folder.path(), &["--json"]).stdout).unwrap();
    assert_eq!(json["schema"], "jail.compose/1");
    assert_eq!(json["verdict"], "findings");
    let sarif: Value = serde_json::from_slice(&jail(folder.path(), &["--sarif"]).stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(results.len(), findings.len());
    for (result, finding) in results.iter().zip(findings) {
        assert_eq!(result["ruleId"], finding["rule"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["region"]["startLine"], finding["place"]["line"]);
        assert_eq!(place["artifactLocation"]["uri"], "compose.yaml");
    }
}

/// `jail doctor` judges the compose files of a workspace, and says so where there is none.
#[test]
fn the_doctor_has_a_section() {
    let section = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
        let output = command.args(["doctor", "--json"]).current_dir(folder).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sections = report["sections"].as_array().unwrap().clone();
        sections.into_iter().find(|section| section["doctor"] == "compose").unwrap()
    };
    let files = folder(&[
        ("compose.yaml", "services: {a: {image: x, privileged: true}}\n"),
        ("docker/compose.one.yaml", "services: {b: {image: \"${IMAGE:?}\", pid: host}}\n"),
        ("docker/.env.example", "IMAGE=y\n"),
        ("docker/wrong.compose.yml", "services: [\n"),
    ]);
    let found = section(files.path());
    let rules: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["rule"].as_str().unwrap())
        .collect();
    for rule in ["compose.privileged", "compose.host-namespace", "compose.wrong"] {
        assert!(rules.contains(&rule), "{rule}: {found}");
    }
    let none = section(folder(&[]).path());
    assert_eq!(none["findings"].as_array().unwrap().len(), 0);
    assert!(none["notes"][0].as_str().unwrap().contains("no compose file"), "{none}");
}
