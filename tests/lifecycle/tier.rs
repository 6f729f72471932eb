//! `--sandbox=landlock`, on a machine that refuses user namespaces: chosen explicitly, and it holds.

use super::support::{
    Case, Outcome, assert_code, assert_refused, files_below, is_root, line, signal, skip, stderr,
    stdout, trial, wait, within,
};
use libtest_mimic::Trial;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("tier::without_it_the_run_is_refused", by_default),
        trial("tier::what_is_held", held),
        trial("tier::where_clone3_is_hidden", without_clone3),
        trial("tier::it_is_told_everywhere", told),
        trial("tier::json_rpc_with_python", python),
        trial("tier::json_rpc_with_node", node),
        trial("tier::nothing_is_left", nothing_left),
        trial("tier::kill_9_of_the_supervisor", supervisor_killed),
        trial("tier::kill_9_of_init", init_killed),
        trial("tier::a_time_limit_ends_all", time_limit),
        trial("tier::what_it_cannot_keep_is_refused", refusals),
        trial("tier::root_is_refused", root),
        trial("tier::grants", grants),
        trial("tier::a_run_that_cannot_be_recorded", unrecorded),
    ]
}

/// Deeper than namespaces may be nested (user_namespaces(7): 32).
const DEEPEST: u32 = 40;

/// Starts the command as user 1000 where user namespaces are refused: at the kernel's own limit of
/// nesting, which needs no right.
fn forbid_namespaces(command: &mut Command) {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let (mut uid, mut gid) = (uid.as_raw(), gid.as_raw());
    let nest = move || {
        for _ in 0..DEEPEST {
            if let Err(errno) = unshare(CloneFlags::CLONE_NEWUSER) {
                return if uid == 1000 { Ok(()) } else { Err(errno.into()) };
            }
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("1000 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("1000 {gid} 1"))?;
            (uid, gid) = (1000, 1000);
        }
        Err(io::Error::other("user namespaces can be nested without end"))
    };
    // SAFETY: a child of a test, which files and memory of other threads are no business of.
    #[expect(unsafe_code, reason = "a step between fork and exec")]
    unsafe {
        command.pre_exec(nest)
    };
}

/// Can this machine run the tier at all, and the tests make the place for it?
fn unmet() -> Option<&'static str> {
    if jail::sys::landlock::abi() < 6 {
        return Some("Landlock here is older than ABI 6");
    }
    let mut probe = Command::new("true");
    forbid_namespaces(&mut probe);
    if probe.status().is_err() {
        return Some("no user namespaces to make the place in which there are none");
    }
    None
}

macro_rules! needs {
    () => {
        if let Some(why) = unmet() {
            return skip(why);
        }
    };
}

fn command(case: &Case, options: &[&str], line: &[&str]) -> Command {
    let mut args = vec!["run", "--env", "MARK", "--sandbox=landlock"];
    args.extend(options);
    args.push("--");
    args.extend(line);
    let mut command = case.jail(&args);
    forbid_namespaces(&mut command);
    command
}

fn script(case: &Case, options: &[&str], script: &str) -> Command {
    command(case, options, &["sh", "-c", script, &case.mark])
}

fn run(case: &Case, options: &[&str], text: &str) -> Output {
    script(case, options, text).output().unwrap()
}

fn runs(case: &Case) -> Vec<std::path::PathBuf> {
    files_below(&case.path("home/.cache/jail/runs"))
}

fn by_default() -> Outcome {
    needs!();
    let case = Case::new();
    for options in [&["run"][..], &["run", "--allow-missing", "landlock,signals,user"]] {
        let mut command = case.jail(&[options, &["--", "true"]].concat());
        forbid_namespaces(&mut command);
        let output = command.output().unwrap();
        assert_refused(&output, 125, &["namespaces", "--sandbox=landlock", "weaker"]);
    }
    Ok(())
}

/// What a file of the user's, a neighbour and the system are to the connector.
fn held() -> Outcome {
    needs!();
    let case = Case::new();
    fs::write(case.path("work/secret"), "SECRET").unwrap();
    let secret = case.path("work/secret");
    let secret = secret.to_str().unwrap();
    let text = format!(
        "fails() {{ if \"$@\" >/dev/null 2>&1; then echo \"WORKED: $*\"; fi; }}
        fails cat {secret}; fails ls {work}; fails ls /; fails ls /proc; fails cat /proc/1/status
        fails cat /proc/$PPID/cmdline; fails kill -0 $PPID; fails kill -0 1; fails ls /sys
        fails ln {secret} here; fails mv {secret} here; fails rm {secret}; fails touch {work}/new
        fails chmod 777 {secret}; fails truncate -s 0 {secret}; fails touch -d yesterday {secret}
        fails ls /tmp; fails ls /run; fails ls /dev/shm; fails unshare -U true; fails cat /etc/hosts
        touch file && cp file other && mkdir dir && echo x > \"$TMPDIR/x\" && echo y > \"$HOME/y\"
        printf '#!/bin/sh\\necho ran\\n' > \"$TMPDIR/prog\"; fails \"$TMPDIR/prog\"
        cat /proc/meminfo >/dev/null && cat /etc/passwd >/dev/null && echo works",
        work = case.path("work").display(),
    );
    let output = run(&case, &["-q"], &text);
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "works\n", "{}", stderr(&output));
    assert_eq!(fs::read_to_string(secret).unwrap(), "SECRET");
    Ok(())
}

/// Container engines answer clone3 with ENOSYS, so that others fall back to clone.
fn hide_clone3(command: &mut Command) {
    let step = |code: u32, if_true, if_false, k| libc::sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k,
    };
    let hide = move || {
        let mut filter = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_clone3 as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        nix::sys::prctl::set_no_new_privs()?;
        // SAFETY: the program and its filter live through the call, which copies them.
        #[expect(unsafe_code, reason = "no wrapper here")]
        let set = unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: as in `forbid_namespaces`.
    #[expect(unsafe_code, reason = "a step between fork and exec")]
    unsafe {
        command.pre_exec(hide)
    };
}

fn without_clone3() -> Outcome {
    needs!();
    let case = Case::new();
    let mut command = script(&case, &["-q"], "ls / 2>/dev/null || echo held");
    hide_clone3(&mut command);
    let output = command.output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "held\n", "{}", stderr(&output));
    // A run with namespaces needs what only clone3 has.
    let mut command = case.jail(&["run", "--", "true"]);
    hide_clone3(&mut command);
    assert_refused(&command.output().unwrap(), 125, &["clone3", "ENOSYS"]);
    Ok(())
}

fn told() -> Outcome {
    needs!();
    let case = Case::new();
    let report = case.path("report.json");
    let options = ["--report", "json", "--report-file", report.to_str().unwrap()];
    let output = run(&case, &options, "true");
    assert_code(&output, 0);
    for word in ["WEAKER TIER", "no namespaces", "without user namespace, mount namespace"] {
        assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
    }
    // Also where nothing else is said.
    let quiet = run(&case, &["-q"], "true");
    assert!(stderr(&quiet).contains("WEAKER TIER"), "{}", stderr(&quiet));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["sandbox"], "landlock");
    let gaps = report["gaps"].as_array().unwrap();
    for name in ["user", "mount", "pid", "net", "ipc", "uts", "cgroup"] {
        let name = format!("{name} namespace");
        assert!(gaps.iter().any(|gap| gap["control"] == name.as_str()), "{name}: {gaps:?}");
    }
    let proof = report["proof"].as_array().unwrap();
    assert!(proof.iter().all(|probe| probe["refused"] == true), "{proof:?}");
    for name in
        ["host-file", "write-outside", "landlock-connect", "signal-supervisor", "seccomp-unix"]
    {
        assert!(proof.iter().any(|probe| probe["probe"] == name), "{name}");
    }
    let log = case.audit_log();
    assert!(log.contains("\"backend\":\"landlock\""), "{log}");
    assert!(log.contains("pid namespace is not enforced"), "{log}");
    let mut plan = case.jail(&["run", "--dry-run", "--sandbox=landlock", "--", "true"]);
    forbid_namespaces(&mut plan);
    let text = stdout(&plan.output().unwrap());
    for word in ["THE WEAKER TIER", "clone3: no namespace", "not enforced: pid namespace"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("pivot_root"), "{text}");
    Ok(())
}

/// Three requests to a program that answers by lines of JSON, its stdio untouched.
fn session(program: &str, text: &str) -> Outcome {
    needs!();
    if !Path::new(program).exists() {
        return skip(format!("{program} is not installed"));
    }
    let case = Case::new();
    let flag = if program.ends_with("node") { "-e" } else { "-c" };
    let mut child = command(&case, &["-q"], &[program, flag, text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    for (id, method, expected) in [
        (1, "initialize", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"hello\"}"),
        (2, "child", "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"from a child\"}"),
        (3, "read", "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":\"refused\"}"),
    ] {
        writeln!(to, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}").unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), expected);
    }
    drop(to);
    let output = wait(child, Duration::from_secs(30));
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "");
    case.assert_nothing_left();
    Ok(())
}

fn python() -> Outcome {
    session(
        "/usr/bin/python3",
        r#"
import json, subprocess, sys, threading
def read():
    try:
        return open("/etc/hostname").read()
    except PermissionError:
        return "refused"
calls = {
    "initialize": lambda: "hello",
    "child": lambda: subprocess.run(["echo", "from a child"], capture_output=True, text=True).stdout.strip(),
    "read": read,
}
for line in sys.stdin:
    request = json.loads(line)
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": calls[request["method"]]()}
    print(json.dumps(answer, separators=(",", ":")), flush=True)
"#,
    )
}

fn node() -> Outcome {
    session(
        "/usr/bin/node",
        r#"
const fs = require("fs"), readline = require("readline"), { execFileSync } = require("child_process");
const calls = {
    initialize: () => "hello",
    child: () => String(execFileSync(process.execPath, ["-p", "'from a child'"])).trim(),
    read: () => { try { return fs.readFileSync("/etc/hostname", "utf8"); } catch { return "refused"; } },
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method } = JSON.parse(line);
    console.log(JSON.stringify({ jsonrpc: "2.0", id, result: calls[method]() }));
});
"#,
    )
}

/// Daemons in sessions of their own, and a tree that is hard to remove.
const DAEMONS: &str = "(setsid sh -c 'sleep 301 & sleep 302' >/dev/null 2>&1 &)
    (sh -c 'sleep 303 &' >/dev/null 2>&1 &)
    trap '' HUP INT TERM; setsid nohup sleep 304 >/dev/null 2>&1 &
    mkdir -p closed/in; echo x > closed/in/x; ln -s / closed/root
    echo ready";

fn nothing_left() -> Outcome {
    needs!();
    let case = Case::new();
    for _ in 0..5 {
        let output = run(&case, &["-q"], DAEMONS);
        assert_code(&output, 0);
        // By then, not a while later.
        assert_none(&case);
        assert_eq!(runs(&case), [] as [std::path::PathBuf; 0]);
    }
    case.assert_nothing_left();
    Ok(())
}

/// Starts the daemons and gives jail's process when they all run.
fn with_daemons(case: &Case) -> std::process::Child {
    let text = format!("{DAEMONS}; sleep 305");
    let mut child = script(case, &["-q"], &text)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    let all = within(Duration::from_secs(10), || case.processes().len() >= 7);
    assert!(all, "{:?}", case.processes());
    child
}

fn supervisor_killed() -> Outcome {
    needs!();
    let case = Case::new();
    for _ in 0..5 {
        let mut child = with_daemons(&case);
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(10), || case.processes().is_empty());
        assert!(gone, "{:#?}", case.processes());
    }
    assert!(!runs(&case).is_empty(), "there is nothing that the next run could remove");
    assert_code(&run(&case, &["-q"], "true"), 0);
    assert_eq!(runs(&case), [] as [std::path::PathBuf; 0]);
    Ok(())
}

/// The supervisor takes its place.
fn init_killed() -> Outcome {
    needs!();
    let case = Case::new();
    let child = with_daemons(&case);
    let children = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let rest = stat.rsplit_once(')')?.1.to_owned();
        let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (parent == child.id()).then(|| entry.file_name().to_str()?.parse::<i32>().ok())?
    });
    let children: Vec<i32> = children.collect();
    let [init] = children[..] else { panic!("{children:?}") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), Signal::SIGKILL).unwrap();
    let output = wait(child, Duration::from_secs(20));
    assert_code(&output, 128 + 9);
    assert_none(&case);
    assert_eq!(runs(&case), [] as [std::path::PathBuf; 0]);
    Ok(())
}

/// Of the connector's none is left when jail ends. jail's own first process, which sees to that, may still be
/// on its way out for a moment.
fn assert_none(case: &Case) {
    let of_the_connector = || {
        let mut all = case.processes();
        all.retain(|(_, line)| !line.contains("/jail run "));
        all
    };
    assert_eq!(of_the_connector(), []);
    let gone = within(Duration::from_secs(10), || case.processes().is_empty());
    assert!(gone, "{:?}", case.processes());
}

fn time_limit() -> Outcome {
    needs!();
    let case = Case::new();
    let text = format!("{DAEMONS}; while :; do sleep 306; done");
    let output = run(&case, &["-q", "--timeout", "300ms"], &text);
    assert_code(&output, 124);
    assert_none(&case);
    assert_eq!(runs(&case), [] as [std::path::PathBuf; 0]);
    Ok(())
}

fn refusals() -> Outcome {
    needs!();
    let case = Case::new();
    fs::create_dir_all(case.path("trap/.git/hooks")).unwrap();
    fs::create_dir_all(case.path("own/.cloned")).unwrap();
    fs::create_dir_all(case.path("plain")).unwrap();
    let [trap, own, plain] =
        ["trap", "own", "plain"].map(|name| case.path(name).to_str().unwrap().to_owned());
    let copy = format!("copy:{plain}");
    for (options, word) in [
        (vec!["--network", "proxy"], "no way out"),
        (vec!["--allow", "example.com"], "no way out"),
        (vec!["--write", &trap], "acts later"),
        (vec!["--read", &own], "jail's own"),
        (vec!["--workspace", &copy], "throw-away copy"),
        (vec!["--scratch", "8M"], "size of TMPDIR and HOME"),
    ] {
        let output = run(&case, &options, "true");
        assert_refused(&output, 125, &[word]);
    }
    case.manifest(
        "secret",
        "command: \"true\"\nsandbox: landlock\nsecrets:\n  - {name: key, from: {env: MARK}, to: {file: key}}\n",
    );
    let mut command = case.jail(&["run", "secret"]);
    forbid_namespaces(&mut command);
    assert_refused(&command.output().unwrap(), 125, &["secret file"]);
    // The manifest chooses the tier as the option does.
    case.manifest("plain", "command: \"true\"\nsandbox: landlock\n");
    let mut command = case.jail(&["run", "plain"]);
    forbid_namespaces(&mut command);
    let output = command.output().unwrap();
    assert_code(&output, 0);
    assert!(stderr(&output).contains("WEAKER TIER"), "{}", stderr(&output));
    Ok(())
}

fn root() -> Outcome {
    if !is_root() {
        return skip("it is about root");
    }
    if jail::sys::landlock::abi() < 6 {
        return skip("Landlock here is older than ABI 6");
    }
    let case = Case::new();
    let tier = |more: &[&str]| {
        let args = [&["run", "-q", "--sandbox=landlock"], more, &["--", "id", "-u"]].concat();
        case.jail(&args).output().unwrap()
    };
    assert_refused(&tier(&[]), 125, &["`user`", "ordinary user", "--allow-missing user"]);
    let accepted = tier(&["--allow-missing", "user"]);
    assert_code(&accepted, 0);
    assert_eq!(stdout(&accepted), "0\n");
    Ok(())
}

fn grants() -> Outcome {
    needs!();
    let case = Case::new();
    for name in ["read", "write", "ws", "other"] {
        fs::create_dir_all(case.path(name)).unwrap();
        fs::write(case.path(name).join("file"), name).unwrap();
    }
    let [read, write, ws, other] =
        ["read", "write", "ws", "other"].map(|name| case.path(name).to_str().unwrap().to_owned());
    let workspace = format!("host:{ws}");
    let options = ["-q", "--read", &read, "--write", &write, "--workspace", &workspace];
    let text = format!(
        "cat {read}/file {write}/file file; pwd
        echo new > {write}/new; echo new > new; mv {write}/file moved; rm {write}/new
        (echo x > {read}/file) 2>/dev/null; (echo x > {read}/new) 2>/dev/null
        cat {other}/file 2>/dev/null; ls {other} 2>/dev/null; true"
    );
    let output = run(&case, &options, &text);
    assert_code(&output, 0);
    assert_eq!(stdout(&output), format!("readwritews{ws}\n"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(case.path("ws/moved")).unwrap(), "write");
    assert_eq!(fs::read_to_string(case.path("ws/new")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(case.path("read/file")).unwrap(), "read");
    assert!(!case.path("read/new").exists() && !case.path("write/new").exists());
    Ok(())
}

/// The connector waits for its record then, and jail for the connector's end: neither for ever.
fn unrecorded() -> Outcome {
    needs!();
    let case = Case::new();
    fs::write(case.path("home/state"), "no folder").unwrap();
    let mut command = script(&case, &["-q"], "echo started");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = wait(child, Duration::from_secs(20));
    assert_refused(&output, 125, &["audit log"]);
    assert_none(&case);
    assert_eq!(runs(&case), [] as [std::path::PathBuf; 0]);
    Ok(())
}
