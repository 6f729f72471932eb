//! `--trace`: what mounts, Landlock, modes and limits refuse is seen, and nothing else changes.

use super::support::{
    Case, Outcome, assert_code, assert_refused, line, signal, skip, stderr, stdout, trial, wait,
    within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("trace::python_is_told_what_it_lacks_and_gets_it_by_the_patch", python),
        trial("trace::node_is_told_what_it_lacks", node),
        trial("trace::each_reason_has_its_words_and_its_remedy", reasons),
        trial("trace::what_is_dangerous_is_in_no_patch", doubtful),
        trial("trace::limits_of_a_process", limits),
        trial("trace::a_place_that_is_full", full),
        trial("trace::noise_is_left_out", noise),
        trial("trace::many_different_ones_are_counted", many),
        trial("trace::threads_forks_and_execs", families),
        trial("trace::a_hundred_children", children),
        trial("trace::a_session_is_the_same_byte_for_byte", session),
        trial("trace::exit_codes_signals_and_time", ends),
        trial("trace::stops_of_jobs", stops),
        trial("trace::kill_9_of_the_supervisor_leaves_nothing", killed),
        trial("trace::the_end_of_the_way_out_is_the_end", way_out),
        trial("trace::it_is_visible_and_the_log_says_how_to_ask_for_it", visible),
        trial("trace::refused_where_it_cannot_be", refused),
    ]
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
    let args = [
        "run",
        "-q",
        "--trace",
        "--memory",
        "1G",
        "--allow-missing",
        "memory",
        "--",
        "node",
        "-e",
        &script,
    ];
    let output = case.jail(&args).output().unwrap();
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
    for (program, args) in
        [("python3", ["-c", "import json, ssl, socket, asyncio"]), ("node", ["-e", "1"])]
    {
        if !has(program) {
            continue;
        }
        let all = [
            "run",
            "-q",
            "--trace",
            "--memory",
            "1G",
            "--allow-missing",
            "memory",
            "--",
            program,
            args[0],
            args[1],
        ];
        assert_code(&case.jail(&all).output().unwrap(), 0);
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

/// Each of these opens a file of its own that the jail has not.
fn families() -> Outcome {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let case = Case::new();
    let file = |name: &str| {
        let path = case.path(name);
        fs::write(&path, "").unwrap();
        path.display().to_string()
    };
    let names = ["thread", "fork", "spawn", "leader", "execed"].map(file);
    let [thread, fork, spawn, leader, execed] = &names;
    let script = format!(
        "import os, sys, threading, subprocess, ctypes, time\n\
         def look(path):\n\
         \x20   try: os.stat(path)\n\
         \x20   except OSError: pass\n\
         t = threading.Thread(target=look, args=['{thread}']); t.start(); t.join()\n\
         pid = os.fork()\n\
         if pid == 0: look('{fork}'); os._exit(0)\n\
         os.waitpid(pid, 0)\n\
         subprocess.run(['sh', '-c', 'sh -c \"cat {spawn}; true\" | cat'], stderr=subprocess.DEVNULL)\n\
         pid = os.fork()\n\
         if pid == 0:\n\
         \x20   def late():\n\
         \x20       time.sleep(0.2); look('{leader}'); os._exit(3)\n\
         \x20   threading.Thread(target=late).start()\n\
         \x20   ctypes.CDLL(None).pthread_exit(None)\n\
         print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)\n\
         def replace(): os.execv('/bin/sh', ['sh', '-c', 'cat {execed} 2>/dev/null; echo replaced; exit 9'])\n\
         threading.Thread(target=replace).start()\n\
         time.sleep(60)\n"
    );
    let args = [
        "run",
        "-q",
        "--trace",
        "--memory",
        "1G",
        "--allow-missing",
        "memory",
        "--",
        "python3",
        "-c",
        &script,
    ];
    let output = wait(piped(&mut case.jail(&args)), LONG);
    assert_eq!(stdout(&output), "3\nreplaced\n", "{}", stderr(&output));
    assert_code(&output, 9);
    let story = story(&case);
    for name in &names {
        assert_eq!(finding(&story, name)["code"], "not-there");
    }
    case.assert_nothing_left();
    Ok(())
}

fn children() -> Outcome {
    let case = Case::new();
    fs::write(case.path("wanted"), "").unwrap();
    let wanted = case.path("wanted").display().to_string();
    let script = format!(
        "i=0; while [ $i -lt 100 ]; do (cat {wanted} 2>/dev/null; exit 1) & i=$((i+1)); done; wait; echo done"
    );
    let output = traced(&case, &["--pids", "400", "--allow-missing", "pids"], &script);
    assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
    let story = story(&case);
    assert_eq!(finding(&story, &wanted)["times"], 100, "{story:#}");
    case.assert_nothing_left();
    Ok(())
}

/// A server that answers each line, and its standard error beside.
const SERVER: &str = "import json, sys\n\
    for line in sys.stdin:\n\
    \x20   call = json.loads(line)\n\
    \x20   try: open('/etc/machine-id')\n\
    \x20   except OSError as e: found = e.errno\n\
    \x20   answer = {'jsonrpc': '2.0', 'id': call['id'], 'result': [found, call['params'] * 3]}\n\
    \x20   print(json.dumps(answer), flush=True)\n\
    \x20   print('log', call['id'], file=sys.stderr, flush=True)\n";

fn session() -> Outcome {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let case = Case::new();
    let mut input = Vec::new();
    for id in 0..200 {
        let params = "ü\u{1b}[0m".repeat(id * 10);
        let call = serde_json::json!({ "jsonrpc": "2.0", "id": id, "params": params });
        writeln!(input, "{call}").unwrap();
    }
    let run = |options: &[&str]| {
        let mut args = vec!["run", "-q"];
        args.extend(options);
        args.extend(["--", "python3", "-c", SERVER]);
        let mut child = piped(case.jail(&args).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let bytes = input.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let output = wait(child, LONG);
        writer.join().unwrap();
        (output.status.code(), output.stdout, output.stderr)
    };
    let (plain, traced) = (run(&[]), run(&["--trace"]));
    assert!(plain.1.len() > 1_000_000 && plain.0 == Some(0));
    assert!(plain == traced, "not the same: {} and {} bytes", plain.1.len(), traced.1.len());
    assert_eq!(finding(&story(&case), "/etc/machine-id")["times"], 200);
    Ok(())
}

fn ends() -> Outcome {
    let case = Case::new();
    for (script, code) in [
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -SEGV $$", 139),
        ("sh -c 'kill -TERM $$'; exit $((100 + $? - 128))", 115),
        ("trap 'exit 5' USR1; sh -c 'kill -USR1 $PPID'; sleep 10", 5),
    ] {
        assert_code(&traced(&case, &[], script), code);
    }
    // SIGTERM, then SIGKILL; one that is stopped, too.
    for script in [
        "exec sleep 60",
        "trap '' TERM; while :; do sleep 0.1; done",
        "while :; do :; done & kill -STOP $$",
    ] {
        assert_code(&traced(&case, &["--timeout", "300ms"], script), 124);
    }
    for (sent, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let mut command = case.script(&["--trace"], "echo ready; exec sleep 60");
        let mut child = piped(command.stdin(Stdio::piped()));
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        signal(&child, sent);
        assert_code(&wait(child, LONG), code);
    }
    // The proof from inside, and a program that is not there, end as without.
    let missing = case.jail(&["run", "-q", "--trace", "--", "/nonexistent"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127), "{}", stderr(&missing));
    case.assert_nothing_left();
    Ok(())
}

/// Stops reach the parent inside, last until SIGCONT, and the supervisor can be stopped as well.
fn stops() -> Outcome {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let case = Case::new();
    let script = "import os, signal, time\n\
                  for stop in [signal.SIGSTOP, signal.SIGTSTP]:\n\
                  \x20   pid = os.fork()\n\
                  \x20   if pid == 0:\n\
                  \x20       os.setpgid(0, 0)\n\
                  \x20       os.kill(os.getpid(), stop)\n\
                  \x20       os._exit(4)\n\
                  \x20   _, status = os.waitpid(pid, os.WUNTRACED)\n\
                  \x20   print(os.WIFSTOPPED(status), os.WSTOPSIG(status) == stop)\n\
                  \x20   time.sleep(0.1)\n\
                  \x20   print(os.waitpid(pid, os.WNOHANG))\n\
                  \x20   os.kill(pid, signal.SIGCONT)\n\
                  \x20   _, status = os.waitpid(pid, os.WCONTINUED)\n\
                  \x20   if os.WIFCONTINUED(status): _, status = os.waitpid(pid, 0)\n\
                  \x20   print(os.WEXITSTATUS(status))\n";
    let args = ["run", "-q", "--trace", "--", "python3", "-c", script];
    let output = wait(piped(&mut case.jail(&args)), LONG);
    assert_eq!(stdout(&output), "True True\n(0, 0)\n4\n".repeat(2), "{}", stderr(&output));

    let script = "echo ready; i=0; while [ $i -lt 40 ]; do sleep 0.01; i=$((i+1)); done; echo end";
    let mut command = case.script(&["--trace"], script);
    let mut child = piped(command.stdin(Stdio::piped()).process_group(0));
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    for _ in 0..3 {
        signal(&child, Signal::SIGTSTP);
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, Signal::SIGCONT);
    }
    let output = wait(child, LONG);
    assert_eq!(stdout(&output), "end\n", "{}", stderr(&output));
    assert_code(&output, 0);
    Ok(())
}

fn killed() -> Outcome {
    let case = Case::new();
    // While it is set up: seized or not, init goes with its supervisor.
    for attempt in 0..60u64 {
        let mut child = piped(&mut case.script(&["--trace"], "setsid sleep 300 & sleep 300"));
        std::thread::sleep(Duration::from_micros(attempt * 7919 % 40_000));
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(5), || case.processes().is_empty());
        assert!(gone, "attempt {attempt}: {:#?}", case.processes());
    }
    // While it runs: daemons of every sort, and one that is stopped.
    let script = "(setsid sh -c 'sleep 301 & sleep 302' >/dev/null 2>&1 &)
        sh -c 'kill -STOP $$; sleep 303' &
        trap '' HUP INT TERM; echo ready; while :; do cat /etc/machine-id 2>/dev/null; done";
    for _ in 0..10 {
        let mut child = piped(&mut case.script(&["--trace"], script));
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(5), || case.processes().is_empty());
        assert!(gone, "{:#?}", case.processes());
    }
    case.assert_nothing_left();
    Ok(())
}

/// The supervisor itself ends the jail then, with everything that is traced and stopped in it.
fn way_out() -> Outcome {
    let case = Case::new();
    case.manifest(
        "walker",
        &format!(
            "command: sh\nargs: [-c, {}]\nenv: {{MARK: {}}}\nnetwork: {{allow: [allowed.example]}}\n",
            serde_json::to_string(
                "sh -c 'kill -STOP $$' & (setsid sleep 300 &) ; echo ready; while :; do cat /nothing 2>/dev/null; done"
            )
            .unwrap(),
            case.mark
        ),
    );
    for _ in 0..5 {
        let mut child = piped(&mut case.jail(&["run", "-q", "--trace", "walker"]));
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let children = fs::read_to_string(children).unwrap();
        // The one that is in no pid namespace of its own.
        let beside = children.split_whitespace().find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let spaces = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            spaces.is_some_and(|pids| pids.split_whitespace().count() == 1)
        });
        let pid = nix::unistd::Pid::from_raw(beside.unwrap().parse().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        assert_refused_late(&wait(child, LONG));
        case.assert_nothing_left();
    }
    Ok(())
}

fn assert_refused_late(output: &Output) {
    assert_code(output, 125);
    assert!(stderr(output).contains("the egress process failed"), "{}", stderr(output));
}

fn visible() -> Outcome {
    if std::env::var_os("JAIL_TEST_TRACE").is_some() {
        return skip("JAIL_TEST_TRACE is set: every run is traced");
    }
    let case = Case::new();
    case.manifest("plain", "command: cat\nargs: [/etc/machine-id]\n");
    let report = case.path("report.json");
    let report = report.to_str().unwrap();
    let output = case
        .jail(&["run", "--trace", "--report", "json", "--report-file", report, "plain"])
        .output()
        .unwrap();
    let err = stderr(&output);
    assert!(err.contains("jail: traced: its system calls are looked at"), "{err}");
    assert!(err.contains("jail: traced: 1 thing was refused; jail why "), "{err}");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["trace"]["refused"], 1);
    let start = |case: &Case| {
        let shown = case.jail(&["audit", "show", "--kind", "run-start", "--json"]).output();
        let text = stdout(&shown.unwrap());
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    assert_eq!(start(&case)["event"]["traced"], true);
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(!text.contains("jail run --trace"), "{text}");
    let plan = case.jail(&["run", "--trace", "--dry-run", "plain"]).output().unwrap();
    assert!(stdout(&plan).contains("traces it (--trace)"), "{}", stdout(&plan));

    // Without it the log says which command would tell.
    assert_code(&case.jail(&["run", "-q", "plain"]).output().unwrap(), 1);
    assert!(start(&case)["event"]["traced"].is_null());
    let story = story(&case);
    assert_eq!(story["refused"].as_array().unwrap().len(), 0);
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    let asked: Vec<&str> =
        text.lines().filter(|line| line.ends_with(": jail run --trace plain")).collect();
    assert_eq!(asked.len(), 1, "{text}");
    assert_code(&case.jail(&["run", "-q", "--", "true"]).output().unwrap(), 0);
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(text.contains("jail run --trace …, with the options and arguments of "), "{text}");
    Ok(())
}

/// A filter that refuses ptrace(2), as a container's may.
const NO_PTRACE: &str = "import ctypes, os, struct, sys\n\
    number = {'x86_64': 101, 'aarch64': 117}[os.uname().machine]\n\
    insn = lambda *fields: struct.pack('HBBI', *fields)\n\
    program = insn(0x20, 0, 0, 0) + insn(0x15, 0, 1, number) + insn(6, 0, 0, 0x50001) + insn(6, 0, 0, 0x7fff0000)\n\
    code = ctypes.create_string_buffer(program)\n\
    class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]\n\
    filter = Program(4, ctypes.addressof(code))\n\
    libc = ctypes.CDLL(None, use_errno=True)\n\
    assert libc.prctl(38, 1, 0, 0, 0) == 0\n\
    assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0\n\
    os.execv(sys.argv[1], sys.argv[1:])\n";

fn refused() -> Outcome {
    let case = Case::new();
    let none = ["run", "--trace", "--sandbox", "none", "--i-accept-no-sandbox", "--", "true"];
    assert_refused(&case.jail(&none).output().unwrap(), 125, &["--trace", "--sandbox=none"]);
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let mut command = Command::new("python3");
    case.surround(&mut command);
    command.args(["-c", NO_PTRACE]).arg(super::support::jail_bin());
    command.args(["run", "-q", "--trace", "--", "true"]);
    let output = command.output().unwrap();
    assert_refused(&output, 125, &["cannot be traced here", "PTRACE_SEIZE", "EPERM", "hint:"]);
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(text.contains("refused: the connector was not started"), "{text}");
    case.assert_nothing_left();
    Ok(())
}
