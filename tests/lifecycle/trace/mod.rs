//! `--trace`: what mounts, Landlock, modes and limits refuse is seen, and nothing else changes.

mod session;

use crate::support::{Case, Outcome, assert_code, skip, stderr, stdout, trial, wait};
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    let mut all = vec![
        trial("trace::python_is_told_what_it_lacks_and_gets_it_by_the_patch", python),
        trial("trace::node_is_told_what_it_lacks", node),
        trial("trace::each_reason_has_its_words_and_its_remedy", reasons),
        trial("trace::what_is_dangerous_is_in_no_patch", doubtful),
        trial("trace::limits_of_a_process", limits),
        trial("trace::a_place_that_is_full", full),
        trial("trace::noise_is_left_out", noise),
        trial("trace::many_different_ones_are_counted", many),
    ];
    all.extend(session::trials());
    all
}

const LONG: Duration = Duration::from_secs(60);

fn has(program: &str) -> bool {
    ["/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

/// A traced run of a shell script.
fn traced(case: &Case, options: &[&str], script: &str) -> Output {
    let mut all = vec!["--trace"];
    all.extend(options);
    wait(piped(&mut case.script(&all, script)), LONG)
}

/// A traced run of a program with a run-time of its own, which takes more memory than a run has by default.
fn roomy(case: &Case, program: &[&str]) -> Command {
    let mut all = vec!["run", "-q", "--trace", "--memory", "1G", "--allow-missing", "memory", "--"];
    all.extend(program);
    case.jail(&all)
}

fn piped(command: &mut Command) -> std::process::Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn story(case: &Case) -> Value {
    let output = case.jail(&["why", "--json"]).output().unwrap();
    assert_code(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is told about an object.
fn finding<'a>(story: &'a Value, object: &str) -> &'a Value {
    let all = story["refused"].as_array().unwrap();
    let found = all.iter().find(|one| one["object"] == object);
    found.unwrap_or_else(|| panic!("nothing is told of {object}: {story:#}"))
}

/// Mechanism, code and calls in one line.
fn said(story: &Value, object: &str) -> String {
    let one = finding(story, object);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let calls: Vec<String> = one["calls"].as_array().into_iter().flatten().map(text).collect();
    format!("{} {} {}", text(&one["mechanism"]), text(&one["code"]), calls.join(","))
}

fn python() -> Outcome {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let case = Case::new();
    let data = case.path("data");
    fs::create_dir(&data).unwrap();
    fs::create_dir(case.path("out")).unwrap();
    fs::write(data.join("rows.csv"), "1,2\n").unwrap();
    let script = format!(
        "import os, socket\n\
         def tried(act):\n\
         \x20   try: act(); print('yes')\n\
         \x20   except OSError as e: print(e.errno)\n\
         tried(lambda: open('{data}/rows.csv'))\n\
         tried(lambda: open('{out}/result', 'w'))\n\
         tried(lambda: socket.socket().bind(('127.0.0.1', 8123)))\n",
        data = data.display(),
        out = case.path("out").display()
    );
    fs::write(case.path("work/tool.py"), script).unwrap();
    let tool = case.path("work/tool.py");
    let command = format!("command: python3\nargs: [{}]\n", tool.display());
    let read = |more: &str| format!("{command}filesystem: {{read: [{}{more}]}}\n", tool.display());
    case.manifest("counter", &read(""));
    let output = case.jail(&["run", "-q", "--trace", "counter"]).output().unwrap();
    assert_eq!(stdout(&output), "2\n2\n13\n", "{}", stderr(&output));
    let story = story(&case);
    let rows = data.join("rows.csv").display().to_string();
    let result = case.path("out/result").display().to_string();
    assert_eq!(said(&story, &rows), "mounts not-there openat: ENOENT");
    assert_eq!(said(&story, &result), "mounts not-there openat: ENOENT");
    assert_eq!(said(&story, "127.0.0.1:8123"), "landlock port bind: EACCES");
    let out = case.path("out").display().to_string();
    let manifest = story["patch"]["manifest"].as_str().unwrap();
    let expected = format!(
        "filesystem:\n  read:\n    - {rows}\n  write:\n    - {out}\nports:\n  - listen: 8123\n"
    );
    assert_eq!(manifest, expected);
    let option = story["patch"]["options"][0]["command"].as_str().unwrap();
    assert_eq!(option, format!("--read {rows} --write {out}"));

    // What it says is a policy, and enough.
    let patched = manifest.replace("  read:\n", &format!("  read:\n    - {}\n", tool.display()));
    case.manifest("counter", &format!("{command}{patched}"));
    let output = case.jail(&["run", "-q", "--trace", "counter"]).output().unwrap();
    assert_eq!(stdout(&output), "yes\nyes\nyes\n", "{}", stderr(&output));
    let story = self::story(&case);
    assert_eq!(story["refused"].as_array().unwrap().len(), 0, "{story:#}");
    assert_code(&case.jail(&["audit", "verify"]).output().unwrap(), 0);
    Ok(())
}

fn node() -> Outcome {
    if !has("node") {
        return skip("node is not installed");
    }
    let case = Case::new();
    fs::write(case.path("settings.json"), "{}").unwrap();
    let settings = case.path("settings.json").display().to_string();
    let script = format!(
        "const fs = require('fs'); \
         try {{ fs.readFileSync('{settings}') }} catch (e) {{ console.log(e.code) }} \
         try {{ fs.writeFileSync('/usr/lib/here', '') }} catch (e) {{ console.log(e.code) }} \
         fs.promises.readdir('/nowhere').catch(e => console.log(e.code))"
    );
    let output = roomy(&case, &["node", "-e", &script]).output().unwrap();
    assert_eq!(stdout(&output), "ENOENT\nEROFS\nENOENT\n", "{}", stderr(&output));
    let story = story(&case);
    assert!(said(&story, &settings).starts_with("mounts not-there open"), "{story:#}");
    assert!(said(&story, "/usr/lib/here").starts_with("mounts system open"), "{story:#}");
    assert_eq!(finding(&story, "/usr/lib/here")["remedy"]["kind"], "none");
    // It is on the host as little as in the jail.
    assert!(!story.to_string().contains("/nowhere"), "{story:#}");
    assert_eq!(story["patch"]["options"][0]["command"], format!("--read {settings}"));
    Ok(())
}

fn reasons() -> Outcome {
    let case = Case::new();
    let at = |name: &str| case.path(name).display().to_string();
    for folder in ["data", "other", "repo/.git/hooks"] {
        fs::create_dir_all(case.path(folder)).unwrap();
    }
    for (name, mode) in [("data/read", 0o644), ("data/closed", 0o000), ("other/target", 0o644)] {
        fs::write(case.path(name), "").unwrap();
        fs::set_permissions(case.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::symlink(case.path("other/target"), case.path("data/link")).unwrap();
    let script = format!(
        "cat {data}/closed; cat {data}/link; true >>{data}/read; mkdir {data}/new; true >{data}/made
         true >{repo}/.git/hooks/pre-commit; mkdir /own; mkdir /proc/x
         cp /bin/true /tmp/program; /tmp/program; true",
        data = at("data"),
        repo = at("repo"),
    );
    let options = ["--read", &at("data"), "--write", &at("repo")];
    assert_code(&traced(&case, &options, &script), 0);
    let story = story(&case);
    let fix = |object: &str| {
        let one = finding(&story, object);
        let (write, path) = (&one["grant"]["write"], one["grant"]["path"].as_str());
        format!("{} {write} {}", one["code"].as_str().unwrap(), path.unwrap_or("-"))
    };
    let mode = finding(&story, &at("data/closed"));
    assert_eq!((&mode["mechanism"], &mode["code"]), (&"permissions".into(), &"file-mode".into()));
    let reason = mode["reason"].as_str().unwrap();
    assert!(reason.contains("mode 0000") && reason.contains("without any capability"), "{reason}");
    assert_eq!(fix(&at("data/link")), format!("not-there false {}", at("other/target")));
    assert_eq!(fix(&at("data/read")), format!("read-only true {}", at("data/read")));
    assert_eq!(fix(&at("data/new")), format!("read-only true {}", at("data")));
    assert_eq!(fix(&at("data/made")), format!("read-only true {}", at("data")));
    assert_eq!(fix(&at("repo/.git/hooks/pre-commit")), "protected null -");
    assert_eq!(fix("/own"), "own-root null -");
    assert_eq!(said(&story, "/tmp/program"), "mounts no-exec execve: EACCES");
    // One grant for all three, and the file of the other folder.
    let manifest = story["patch"]["manifest"].as_str().unwrap();
    let expected = format!(
        "filesystem:\n  read:\n    - {}\n  write:\n    - {}\n",
        at("other/target"),
        at("data")
    );
    assert_eq!(manifest, expected);
    Ok(())
}

fn doubtful() -> Outcome {
    let case = Case::new();
    fs::create_dir(case.path("home/.ssh")).unwrap();
    fs::write(case.path("home/.ssh/id_x"), "secret").unwrap();
    fs::write(case.path("home/.bashrc"), "").unwrap();
    let socket = case.path("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let key = case.path("home/.ssh/id_x").display().to_string();
    let script = format!(
        "cat {key} /home/jail/.bashrc /home/jail/.ssh/id_x /etc/shadow {}; true",
        socket.display()
    );
    assert_code(&traced(&case, &[], &script), 0);
    let story = story(&case);
    let thinks = |object: &str, word: &str| {
        let remedy = &finding(&story, object)["remedy"];
        let why = remedy["think_twice"].as_str().unwrap_or("-");
        assert!(why.contains(word), "{object}: {remedy}");
    };
    thinks(&key, "keys");
    thinks("/etc/shadow", "keys");
    thinks(&socket.display().to_string(), "service");
    let home = finding(&story, "/home/jail/.bashrc");
    assert_eq!(home["remedy"]["kind"], "advice", "{home}");
    let advice = |object: &str| finding(&story, object)["remedy"]["text"].to_string();
    assert!(!advice("/home/jail/.bashrc").contains("think twice"));
    assert!(advice("/home/jail/.ssh/id_x").contains("think twice"));
    // Nothing but comments: as a policy it says nothing.
    let manifest = story["patch"]["manifest"].as_str().unwrap();
    assert!(manifest.lines().all(|line| line.starts_with("# read: ")), "{manifest}");
    assert_eq!(manifest.lines().count(), 3, "{manifest}");
    for option in story["patch"]["options"].as_array().unwrap() {
        assert!(option["think_twice"].is_string(), "{option}");
    }
    Ok(())
}

fn limits() -> Outcome {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let case = Case::new();
    let script = "import os, signal\n\
                  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
                  try:\n\
                  \x20   while True: os.open('/dev/null', 0)\n\
                  except OSError: pass\n\
                  os.closerange(3, 1024)\n\
                  try:\n\
                  \x20   with open('/workspace/big', 'wb', 0) as f:\n\
                  \x20       while True: f.write(bytes(1 << 20))\n\
                  except OSError: pass\n";
    case.manifest(
        "greedy",
        &format!(
            "command: python3\nargs: [-c, {}]\nlimits: {{file_size: 1MiB, files: 1024}}\n",
            serde_json::to_string(script).unwrap()
        ),
    );
    assert_code(&case.jail(&["run", "-q", "--trace", "greedy"]).output().unwrap(), 0);
    let story = story(&case);
    assert_eq!(said(&story, "open files"), "rlimit open-files openat: EMFILE");
    assert_eq!(said(&story, "file size"), "rlimit file-size write: EFBIG");
    let manifest = story["patch"]["manifest"].as_str().unwrap();
    assert_eq!(manifest, "limits:\n  file_size: 2MiB\n  files: 2048\n");
    Ok(())
}

fn full() -> Outcome {
    let case = Case::new();
    let output = traced(
        &case,
        &["--scratch", "1M", "--workspace", "tmpfs:1M"],
        "head -c 3000000 /dev/zero >/tmp/x; head -c 3000000 /dev/zero >/workspace/x; true",
    );
    assert_code(&output, 0);
    let story = story(&case);
    assert_eq!(said(&story, "/tmp"), "mounts full write: ENOSPC");
    assert_eq!(said(&story, "/workspace"), "mounts full write: ENOSPC");
    assert_eq!(
        story["patch"]["manifest"], "filesystem:\n  scratch: 2MiB\n  workspace: {tmpfs: 2MiB}\n",
        "{story:#}"
    );
    Ok(())
}

/// Run-times look in a hundred places when they start.
fn noise() -> Outcome {
    let case = Case::new();
    for command in [["python3", "-c", "import json, ssl, socket, asyncio"], ["node", "-e", "1"]] {
        let program = command[0];
        if !has(program) {
            continue;
        }
        assert_code(&roomy(&case, &command).output().unwrap(), 0);
        let story = story(&case);
        assert_eq!(story["refused"].as_array().unwrap().len(), 0, "{program}: {story:#}");
    }
    assert_code(&traced(&case, &[], "ls / /etc /tmp >/dev/null; nothere 2>/dev/null; true"), 0);
    assert_eq!(story(&case)["refused"].as_array().unwrap().len(), 0);
    Ok(())
}

fn many() -> Outcome {
    let case = Case::new();
    let script = "i=0; while [ $i -lt 230 ]; do true >/usr/no$i; i=$((i+1)); done 2>/dev/null
                  for again in 1 2 3; do true >/usr/no7; done 2>/dev/null; true";
    assert_code(&traced(&case, &[], script), 0);
    let story = story(&case);
    assert_eq!(finding(&story, "/usr/no7")["times"], 4);
    let rest = finding(&story, "other calls");
    assert_eq!(rest["times"], 30, "{rest}");
    assert_eq!(story["refused"].as_array().unwrap().len(), 201);
    assert_code(&case.jail(&["audit", "verify"]).output().unwrap(), 0);
    Ok(())
}
