//! What is traced runs as it would untraced: its processes, its session, its end.

use super::{LONG, finding, has, piped, roomy, story, traced};
use crate::support::{
    Case, Outcome, assert_code, assert_refused, line, signal, skip, stderr, stdout, trial, wait,
    within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(super) fn trials() -> Vec<Trial> {
    vec![
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
    let output = wait(piped(&mut roomy(&case, &["python3", "-c", &script])), LONG);
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
    command.args(["-c", NO_PTRACE]).arg(crate::support::jail_bin());
    command.args(["run", "-q", "--trace", "--", "true"]);
    let output = command.output().unwrap();
    assert_refused(&output, 125, &["cannot be traced here", "PTRACE_SEIZE", "EPERM", "hint:"]);
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(text.contains("refused: the connector was not started"), "{text}");
    case.assert_nothing_left();
    Ok(())
}
