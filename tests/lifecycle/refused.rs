//! System calls that the profile refuses: the errno as ever, a record, an explanation, and no way to use the
//! supervisor's ear against it.

use super::support::{
    Case, Outcome, assert_code, line, signal, skip, stderr, stdout, trial, wait, within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("refused::from_the_call_to_the_profile", explained),
        trial("refused::nothing_is_said_of_ordinary_programs", silence),
        trial("refused::a_loop_is_held_and_fills_no_log", spinning),
        trial("refused::many_kinds", many_kinds),
        trial("refused::by_threads_and_children_up_to_their_end", crowd),
        trial("refused::kill_9_leaves_nothing", killed),
        trial("refused::a_profile_of_ones_own", own),
        trial("refused::no_listener_where_nothing_can_listen", deaf),
        trial("refused::the_connector_has_no_descriptor_of_it", descriptors),
    ]
}

const PYTHON: &str = "/usr/bin/python3";
const LONG: Duration = Duration::from_secs(60);

/// `call(NUMBER, …)` gives the errno; the numbers are those of the architecture.
const CALLS: &str = "
import ctypes, os, platform, sys, time
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == 'x86_64'
KEYCTL, PTRACE, BPF = (250, 101, 321) if X86 else (219, 117, 280)
def call(number, *args):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *[ctypes.c_long(arg) for arg in args])
    return ctypes.get_errno()
";

fn no_python() -> bool {
    !Path::new(PYTHON).exists()
}

const NO_PYTHON: &str = "/usr/bin/python3 is not installed";

/// The listener is younger than the kernels that jail runs on.
fn no_listener() -> bool {
    !jail::sys::seccomp::can_listen()
}

/// A workspace, so that the log is in a known place, and a command that runs this.
fn python(case: &Case, options: &[&str], script: &str) -> std::process::Command {
    fs::create_dir_all(case.path("work/.cloned")).unwrap();
    let mut args = vec!["run", "--env", "MARK"];
    if !options.contains(&"--timeout") {
        args.extend(["--timeout", "60s"]);
    }
    args.extend(options);
    let script = format!("{CALLS}{script}");
    args.extend(["--", PYTHON, "-c", &script]);
    case.jail(&args)
}

fn json(case: &Case, args: &[&str]) -> Value {
    let output = case.jail(args).output().unwrap();
    assert_code(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The records of refused calls, in order.
fn records(case: &Case) -> Vec<Value> {
    let log = fs::read_to_string(case.path("work/.cloned/audit.log")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events = events.map(|mut record| record["event"].take());
    events.filter(|event| event["mechanism"] == "seccomp").collect()
}

fn times(records: &[Value], object: &str) -> u64 {
    let of = records.iter().filter(|record| record["object"] == object);
    of.map(|record| record["times"].as_u64().unwrap()).sum()
}

macro_rules! need {
    () => {
        if no_python() {
            return skip(NO_PYTHON);
        }
        if no_listener() {
            return skip("this kernel has no seccomp notifications that jail knows");
        }
    };
}

fn explained() -> Outcome {
    need!();
    let case = Case::new();
    let report = case.path("report.json");
    let options = ["--report", "json", "--report-file", report.to_str().unwrap()];
    let script = "
errnos = [call(KEYCTL, 0, 0), call(KEYCTL, 1, 1), call(PTRACE, 16, 1, 0, 0)]
import socket
for family, kind, protocol in ((40, 1, 0), (16, 3, 15)):
    try: socket.socket(family, kind, protocol)
    except OSError as error: errnos.append(error.errno)
# ENOSYS is an answer, not a refusal.
errnos.append(call(425, 0, 0))
print(*errnos)
";
    let output = wait(
        python(&case, &options, script)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
        LONG,
    );
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "1 1 1 1 1 38\n");
    let err = stderr(&output);
    // Once for each kind, and once in all.
    let said = |words: &str| err.lines().filter(|line| line.contains(words)).count();
    assert_eq!(said("refused the system call keyctl, for keys and keyrings"), 1, "{err}");
    assert_eq!(said("refused the system call socket(16, 3, 15)"), 1, "{err}");
    assert_eq!(said("to allow it: --seccomp browser"), 1, "{err}");
    assert_eq!(said("jail: system calls refused: "), 1, "{err}");
    assert!(!err.contains("io_uring"), "{err}");

    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["refused_calls"]["total"], 5, "{report}");
    assert_eq!(report["refused_calls"]["calls"]["keyctl"], 2);
    let records = records(&case);
    assert_eq!((times(&records, "keyctl"), times(&records, "ptrace")), (2, 1));
    assert_eq!(times(&records, "socket(40)"), 1, "{records:?}");
    let socket = records.iter().find(|record| record["object"] == "socket(40)").unwrap();
    assert_eq!(socket["args"][0]["value"], 40);

    let story = json(&case, &["why", "--json"]);
    assert_eq!(story["patch"]["manifest"], "seccomp: browser\n");
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(text.contains("no profile should allow it: keyrings"), "{text}");
    assert!(text.contains("answers EPERM (2 times)"), "{text}");
    assert!(!text.contains("system calls that seccomp refused:"), "{text}");
    assert_code(&case.jail(&["audit", "verify"]).output().unwrap(), 0);

    // What it says works.
    let script = "import socket; socket.socket(16, 3, 15); print(call(KEYCTL, 0, 0))";
    let output = python(&case, &["-q", "--seccomp", "browser"], script).output().unwrap();
    assert_eq!(stdout(&output), "1\n");
    // Quiet is quiet, but not in the log.
    assert!(!stderr(&output).contains("refused"), "{}", stderr(&output));
    assert_eq!(json(&case, &["why", "--json"])["refused"][0]["object"], "keyctl");
    Ok(())
}

fn silence() -> Outcome {
    need!();
    let case = Case::new();
    let script = "
import asyncio, json, multiprocessing, socket, sqlite3, ssl, subprocess, tempfile, threading
subprocess.run(['sh', '-c', 'ls -la / | sort | head -n 3; sleep 0.1 & wait'], check=True)
threading.Thread(target=lambda: None).start()
asyncio.run(asyncio.sleep(0))
";
    let output = python(&case, &[], script).output().unwrap();
    assert_code(&output, 0);
    assert!(!stderr(&output).contains("system call"), "{}", stderr(&output));
    assert!(records(&case).is_empty(), "{:?}", records(&case));
    let end =
        stdout(&case.jail(&["audit", "show", "--kind", "run-end", "--json"]).output().unwrap());
    let end: Value = serde_json::from_str(&end).unwrap();
    assert_eq!(end["event"]["refused_calls"], 0);
    Ok(())
}

/// The bucket fills with the same clock that the connector reads, so that the bound holds however slow the
/// machine is: 2000 at once, and one for each millisecond.
fn spinning() -> Outcome {
    need!();
    let case = Case::new();
    let script = "
start = time.monotonic()
count = 0
while time.monotonic() - start < 3:
    assert call(KEYCTL, 0, 0) == 1
    count += 1
print(count, time.monotonic() - start)
";
    let output = python(&case, &["-q"], script).output().unwrap();
    assert_code(&output, 0);
    let text = stdout(&output);
    let (count, seconds) = text.trim().split_once(' ').unwrap();
    let (count, seconds): (u64, f64) = (count.parse().unwrap(), seconds.parse().unwrap());
    assert!(count as f64 <= 2000.0 + 1000.0 * (seconds + 1.0), "{count} in {seconds} s");
    let records = records(&case);
    assert_eq!(times(&records, "keyctl"), count);
    // 1, 10, 100, 1000 …, and what is left.
    assert!(records.len() <= 8, "{records:?}");
    Ok(())
}

fn many_kinds() -> Outcome {
    need!();
    let case = Case::new();
    let script = "
import fcntl
for command in range(100):
    try: fcntl.ioctl(0, 0xabcd0000 + command)
    except OSError as error: assert error.errno == 1, error
";
    let output = python(&case, &[], script).output().unwrap();
    assert_code(&output, 0);
    let err = stderr(&output);
    assert_eq!(err.lines().filter(|line| line.contains("refused the system call")).count(), 8);
    assert!(err.contains("jail: system calls refused: ioctl (64) and others; "), "{err}");
    let records = records(&case);
    assert_eq!((records.len(), times(&records, "other system calls")), (65, 36));
    Ok(())
}

/// Callers that wait for an answer when the connector ends, by itself, by its main thread or by a deadline.
fn crowd() -> Outcome {
    need!();
    let crowd = "
import threading
def spin():
    while True: call(KEYCTL, 0, 0)
for _ in range(4): os.fork() or spin()
for _ in range(8): threading.Thread(target=spin, daemon=True).start()
while call(PTRACE, 16, 1, 0, 0) != 1: pass
";
    for (script, options, code) in [
        ("os._exit(7)", ["-q"].as_slice(), 7),
        ("os.kill(os.getpid(), 9)", &["-q"], 137),
        ("time.sleep(60)", &["-q", "--timeout", "1s"], 124),
    ] {
        let case = Case::new();
        let output = python(&case, options, &format!("{crowd}{script}")).output().unwrap();
        assert_code(&output, code);
        assert!(times(&records(&case), "keyctl") > 0);
        case.assert_nothing_left();
    }
    Ok(())
}

fn killed() -> Outcome {
    need!();
    let case = Case::new();
    let script = "
print('ready', flush=True)
for _ in range(3): os.fork()
while True: call(KEYCTL, 0, 0)
";
    for _ in 0..10 {
        let mut child = python(&case, &["-q"], script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(10), || case.processes().is_empty());
        assert!(gone, "{:#?}", case.processes());
    }
    case.assert_nothing_left();
    Ok(())
}

/// Answers are those of the profile, whatever errno it gives; one that lets nothing end is loaded plain, and
/// one under which the payload itself fails is refused as ever, and does not wait for ever.
fn own() -> Outcome {
    need!();
    let case = Case::new();
    fs::create_dir_all(case.path("work/.cloned")).unwrap();
    let of = |edit: &dyn Fn(&mut Value)| {
        let text = case.jail(&["seccomp", "show", "default", "--oci"]).output().unwrap().stdout;
        let mut profile: Value = serde_json::from_slice(&text).unwrap();
        edit(&mut profile);
        fs::write(case.path("work/own.json"), profile.to_string()).unwrap();
    };
    let forget = |profile: &mut Value, name: &str| {
        for rule in profile["syscalls"].as_array_mut().unwrap() {
            rule["names"].as_array_mut().unwrap().retain(|known| known != name);
        }
        profile["syscalls"]
            .as_array_mut()
            .unwrap()
            .retain(|rule| rule["names"] != serde_json::json!([]));
    };
    let errno = |profile: &mut Value| {
        let rule = serde_json::json!({
            "names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "comment": "x",
        });
        profile["syscalls"].as_array_mut().unwrap().push(rule);
    };
    of(&errno);
    let run = |script: &str| {
        let child = python(&case, &["-q", "--seccomp", "./own.json"], script)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        wait(child.unwrap(), LONG)
    };
    assert_eq!(stdout(&run("print(call(KEYCTL), call(PTRACE))")), "13 1\n");
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(
        text.contains("the profile ./own.json answers EACCES")
            || text.contains("own.json answers EACCES"),
        "{text}"
    );
    // Each is a call that the payload makes under its filter, when nobody listens yet.
    for name in ["write", "read", "execve"] {
        of(&|profile| forget(profile, name));
        let output = run("print('started')");
        assert_code(&output, if name == "execve" { 126 } else { 125 });
        assert_eq!(stdout(&output), "");
        case.assert_nothing_left();
    }
    Ok(())
}

/// Under a filter that has a listener already there is no second one: the plain filter refuses the same, and
/// that nothing was heard is said.
fn deaf() -> Outcome {
    need!();
    let case = Case::new();
    fs::create_dir_all(case.path("work/.cloned")).unwrap();
    // A filter that allows everything, with a listener that nobody reads.
    let outer = format!(
        "{CALLS}
import struct
insn = struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(insn)
class Prog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
prog = Prog(1, ctypes.addressof(buffer))
libc.prctl(38, 1, 0, 0, 0)
listener = libc.syscall(317 if X86 else 277, 1, 8, ctypes.byref(prog))
# Open for as long as the supervisor lives.
os.set_inheritable(listener, True)
os.execv(sys.argv[1], sys.argv[1:])
"
    );
    let script = format!("{CALLS}print(call(KEYCTL))");
    let report = case.path("report.json");
    let mut command = std::process::Command::new(PYTHON);
    case.surround(&mut command);
    command.args(["-c", &outer]).arg(super::support::jail_bin());
    command.args(["run", "--report", "json", "--report-file", report.to_str().unwrap()]);
    let output = command.args(["--", PYTHON, "-c", &script]).output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "1\n");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["refused_calls"], Value::Null);
    assert!(report["notes"].to_string().contains("NEW_LISTENER"), "{report}");
    assert!(records(&case).is_empty());
    let text = stdout(&case.jail(&["why"]).output().unwrap());
    assert!(text.contains("system calls that seccomp refused:"), "{text}");
    Ok(())
}

fn descriptors() -> Outcome {
    need!();
    let case = Case::new();
    let script = "
call(KEYCTL)
fds = [int(fd) for fd in os.listdir('/proc/self/fd')]
links = [os.readlink(f'/proc/self/fd/{fd}') for fd in fds if os.path.lexists(f'/proc/self/fd/{fd}')]
print([fd for fd in fds if fd > 2 and os.path.lexists(f'/proc/self/fd/{fd}')], [link for link in links if 'seccomp' in link or 'socket' in link])
";
    let output = python(&case, &["-q"], script).output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "[] []\n");
    Ok(())
}
