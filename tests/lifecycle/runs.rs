//! `jail ps`, `jail stop` and `jail logs`: runs as they are seen from another terminal.

use super::support::{
    Case, Outcome, assert_code, contains, files_below, is_root, line, signal, skip, stderr, stdout,
    trial, wait, within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("runs::are_listed_and_end_when_stopped", stop),
        trial("runs::one_that_ignores_it_is_killed", stubborn),
        trial("runs::kill_is_at_once", kill),
        trial("runs::in_every_sandbox", sandboxes),
        trial("runs::what_listens_ends_with_its_connections", listener),
        trial("runs::names_that_mean_none_or_many", names),
        trial("runs::of_a_killed_supervisor_are_cleaned_up", killed),
        trial("runs::fifty_at_once", fifty),
        trial("runs::logs_are_bounded_and_do_not_act", flood),
        trial("runs::what_lives_out_of_reach_has_not_ended", out_of_reach),
        trial("runs::follow_ends_with_the_run", follow),
        trial("runs::old_ones_are_dropped", old),
        trial("runs::others_cannot_read_them", others),
        trial("runs::a_place_of_somebody_else_is_not_used", foreign),
    ]
}

const LONG: Duration = Duration::from_secs(30);

fn verb(case: &Case, args: &[&str]) -> Output {
    case.jail(args).output().unwrap()
}

fn listed(case: &Case) -> Vec<Value> {
    let output = verb(case, &["ps", "--json"]);
    assert_code(&output, 0);
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

/// A run that has said `ready`.
fn started(case: &Case, options: &[&str], script: &str) -> Child {
    let mut child = case
        .script(options, script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = line(child.stdout.as_mut().unwrap());
    if first != "ready" {
        let output = wait(child, LONG);
        panic!("`{first}` is not ready: {}", stderr(&output));
    }
    child
}

fn outcomes(output: &Output) -> Vec<String> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = all.as_array().unwrap().iter();
    all.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Folders of living runs, and of those that have ended.
fn entries(case: &Case) -> (usize, usize) {
    let count = |part: &str| {
        let folder = case.path("run/cloned/jail").join(part);
        fs::read_dir(folder).map_or(0, Iterator::count)
    };
    (count("runs"), count("ended"))
}

fn stop() -> Outcome {
    let case = Case::new();
    let script = "setsid sleep 300 & trap 'echo bye >&2; exit 3' TERM
        echo ready; while :; do sleep 0.05; done";
    let run = started(&case, &[], script);
    let all = listed(&case);
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&one["pid"], &one["connector"]), (&run.id().into(), &"sh".into()));
    assert_eq!((&one["sandbox"], &one["kind"]), (&"namespace".into(), &"run".into()));
    assert!(one["confinement"]["seccomp"].is_string(), "{one}");
    let text = stdout(&verb(&case, &["ps"]));
    assert!(text.contains(one["run"].as_str().unwrap()), "{text}");
    // Of another workspace, where it is not listed, it can be named by its number.
    fs::create_dir_all(case.path("other/.cloned")).unwrap();
    let elsewhere =
        |args: &[&str]| case.jail(args).current_dir(case.path("other")).output().unwrap();
    assert_eq!(stdout(&elsewhere(&["ps", "--json"])), "[]\n");
    assert!(stdout(&elsewhere(&["ps", "--json", "--all-workspaces"])).contains("\"sh\""));
    assert_code(&elsewhere(&["stop", "sh"]), 2);
    let output = elsewhere(&["stop", "--json", one["run"].as_str().unwrap()]);
    assert_code(&output, 0);
    assert_eq!(outcomes(&output), ["asked"]);
    // It had really ended when stop did: nothing is waited for here.
    assert_eq!(listed(&case), [] as [Value; 0]);
    assert_code(&wait(run, LONG), 3);
    case.assert_nothing_left();
    assert_eq!(entries(&case), (0, 1));
    let log = stdout(&verb(&case, &["logs", "sh"]));
    assert!(log.contains("| bye\n") && log.contains("exited 3"), "{log}");
    // The audit log knows whose act it was.
    let own = nix::unistd::getuid();
    let audit = case.audit_log();
    let asked = format!("\"asked\":{{\"signal\":\"SIGTERM\",\"uid\":{own},");
    assert!(audit.contains(&asked), "{audit}");
    Ok(())
}

const STUBBORN: &str =
    "setsid sleep 300 & trap '' TERM INT; echo ready; while :; do sleep 0.05; done";

fn stubborn() -> Outcome {
    let case = Case::new();
    let run = started(&case, &[], STUBBORN);
    let before = Instant::now();
    let output = verb(&case, &["stop", "sh", "--timeout", "500ms", "--json"]);
    assert_code(&output, 0);
    assert_eq!(outcomes(&output), ["killed"]);
    assert!(before.elapsed() >= Duration::from_millis(500), "it had no time to end by itself");
    assert_code(&wait(run, LONG), 137);
    case.assert_nothing_left();
    let audit = case.audit_log();
    assert!(audit.contains("run-end") && audit.contains("\"signal\":\"stop-now\""), "{audit}");
    Ok(())
}

fn kill() -> Outcome {
    let case = Case::new();
    // It would say so if it were asked first.
    let script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done";
    let run = started(&case, &[], script);
    let output = verb(&case, &["stop", "sh", "--kill", "--json"]);
    assert_eq!(outcomes(&output), ["killed"]);
    let output = wait(run, LONG);
    assert_code(&output, 137);
    assert_eq!(stdout(&output), "");
    // A supervisor that does not answer is killed itself.
    let run = started(&case, &[], "echo ready; sleep 60");
    signal(&run, Signal::SIGSTOP);
    let output = verb(&case, &["stop", "sh", "--kill", "--json"]);
    assert_code(&output, 0);
    assert_eq!(outcomes(&output), ["supervisor-killed"]);
    wait(run, LONG);
    assert_eq!(listed(&case), [] as [Value; 0]);
    case.assert_nothing_left();
    Ok(())
}

fn sandboxes() -> Outcome {
    let case = Case::new();
    let mut tiers = vec![("none", vec!["--sandbox=none", "--i-accept-no-sandbox"])];
    let mut landlock = vec!["--sandbox=landlock"];
    if is_root() {
        landlock.push("--allow-missing=user");
    }
    let probe = case.run(&landlock, "true");
    if probe.status.success() {
        tiers.push(("landlock", landlock));
    }
    for (sandbox, options) in &tiers {
        let run = started(
            &case,
            options,
            "trap 'exit 4' TERM; echo said >&2; echo ready; while :; do sleep 0.05; done",
        );
        assert_eq!(listed(&case)[0]["sandbox"], *sandbox);
        assert_eq!(outcomes(&verb(&case, &["stop", "--all", "--json"])), ["asked"]);
        assert_code(&wait(run, LONG), 4);
        let run = started(&case, options, STUBBORN);
        let output = verb(&case, &["stop", "--all", "--timeout=300ms", "--json"]);
        assert_eq!(outcomes(&output), ["killed"], "{sandbox}");
        assert_code(&wait(run, LONG), 137);
        case.assert_nothing_left();
    }
    let log = stdout(&verb(&case, &["logs", "sh"]));
    assert!(log.contains("ended by signal 9"), "{log}");
    if tiers.len() == 1 {
        return skip(format!("no --sandbox=landlock here: {}", stderr(&probe)));
    }
    Ok(())
}

fn listener() -> Outcome {
    let case = Case::new();
    let path = case.path("work/socket");
    let address = format!("unix:{}", path.display());
    let server = case
        .script(&["--listen", &address], "echo up; exec sleep 300")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(within(LONG, || UnixStream::connect(&path).is_ok()), "it does not listen");
    let mut streams: Vec<UnixStream> =
        (0..2).map(|_| UnixStream::connect(&path).unwrap()).collect();
    for stream in &mut streams {
        assert_eq!(line(stream), "up");
    }
    // The first connection, which looked whether anybody listens, goes by itself.
    assert!(within(LONG, || listed(&case).len() == 3), "{:?}", listed(&case));
    let all = listed(&case);
    let listener = all.iter().find(|one| one["kind"] == "listener").unwrap();
    assert_eq!(listener["listen"], address);
    let of = all.iter().filter(|one| one["of"] == listener["run"]);
    assert_eq!(of.count(), 2);
    // One name, three entries, and one answer: the listener, which ends the others.
    let output = verb(&case, &["stop", "sh", "--json"]);
    assert_code(&output, 0);
    assert_eq!(outcomes(&output), ["asked"]);
    assert_eq!(listed(&case), [] as [Value; 0]);
    assert_code(&wait(server, LONG), 0);
    assert!(!path.exists());
    case.assert_nothing_left();
    Ok(())
}

fn names() -> Outcome {
    let case = Case::new();
    let output = verb(&case, &["stop", "sh"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("nothing called sh runs here"), "{}", stderr(&output));
    let output = verb(&case, &["logs", "sh"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("no log of sh"), "{}", stderr(&output));
    // Nothing to stop is no failure of "all".
    assert_code(&verb(&case, &["stop", "--all"]), 0);
    assert_code(&verb(&case, &["stop"]), 2);
    assert_code(&verb(&case, &["stop", "sh", "--timeout", "2h"]), 2);
    let runs: Vec<Child> =
        (0..2).map(|_| started(&case, &[], "echo ready; exec sleep 60")).collect();
    let output = verb(&case, &["stop", "sh"]);
    assert_code(&output, 2);
    for one in listed(&case) {
        let run = one["run"].as_str().unwrap();
        assert!(stderr(&output).contains(run), "{run} is not in {}", stderr(&output));
    }
    assert_eq!(listed(&case).len(), 2, "an ambiguous name stopped something");
    let output = verb(&case, &["stop", "--all", "sh", "--json"]);
    assert_eq!(outcomes(&output), ["asked", "asked"]);
    for run in runs {
        assert_code(&wait(run, LONG), 143);
    }
    Ok(())
}

fn killed() -> Outcome {
    let case = Case::new();
    for verbs in [["ps", "--json"].as_slice(), &["stop", "--all"], &["logs", "sh"]] {
        let mut run = started(&case, &[], "echo last words >&2; echo ready; sleep 60");
        let kept = || stdout(&verb(&case, &["logs", "sh"])).contains("| last words\n");
        assert!(within(LONG, kept), "what it said is not in its log");
        signal(&run, Signal::SIGKILL);
        run.wait().unwrap();
        assert_eq!(entries(&case).0, 1, "nobody could have removed it");
        let output = verb(&case, verbs);
        assert_code(&output, 0);
        assert!(!contains(&output.stdout, b"\"pid\""), "{}", stdout(&output));
        assert_eq!(entries(&case).0, 0);
    }
    let log = stdout(&verb(&case, &["logs", "sh"]));
    assert!(log.contains("| last words\n") && log.contains("supervisor was killed"), "{log}");
    // A start cleans up as well, also what was begun and never came to be.
    let mut run = started(&case, &[], "echo ready; sleep 60");
    signal(&run, Signal::SIGKILL);
    run.wait().unwrap();
    let unborn = case.path("run/cloned/jail/runs/.0123456789ab-00000000");
    fs::create_dir(&unborn).unwrap();
    let long_ago = nix::sys::time::TimeVal::new(1_000_000_000, 0);
    nix::sys::stat::utimes(&unborn, &long_ago, &long_ago).unwrap();
    assert_code(&case.run(&[], "true"), 0);
    assert_eq!(entries(&case).0, 0, "{:?}", files_below(&case.path("run")));
    Ok(())
}

/// Started and stopped at the same time: whoever is listed can be stopped, and nobody is left.
fn fifty() -> Outcome {
    let case = Case::new();
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..50 {
        let mut command = case.script(&[], "echo up >&2; exec sleep 300");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        children.push(command.spawn().unwrap());
        if children.len().is_multiple_of(10) {
            assert_code(&verb(&case, &["stop", "--all"]), 0);
        }
    }
    let mut over = 0;
    let all = within(Duration::from_secs(120), || {
        assert_code(&verb(&case, &["stop", "--all"]), 0);
        over = children.iter_mut().filter_map(|child| child.try_wait().unwrap()).count();
        over == children.len()
    });
    assert!(all, "{over} of {} have ended: {:#?}", children.len(), case.processes());
    case.assert_nothing_left();
    assert_eq!(listed(&case), [] as [Value; 0]);
    assert_eq!(entries(&case).0, 0, "{:?}", files_below(&case.path("run")));
    // Every start has its end, but of those that were asked before they could take signals over.
    let audit = case.audit_log();
    let (starts, ends) =
        (audit.matches("\"run-start\"").count(), audit.matches("\"run-end\"").count());
    assert!(starts > 0 && ends <= starts, "{starts} starts, {ends} ends");
    Ok(())
}

fn flood() -> Outcome {
    let case = Case::new();
    let script = r#"i=0; while [ $i -lt 200 ]; do head -c 65536 /dev/zero | tr '\0' x; i=$((i + 1)); done >&2
        printf '\033]0;owned\007\033[2J\r\njail: forged\nlast\n' >&2"#;
    let output = case.run(&[], script);
    assert_code(&output, 0);
    assert!(output.stderr.len() >= 200 * 65536, "the client gets all of it");
    let logs: Vec<PathBuf> = files_below(&case.path("run"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("stderr")))
        .collect();
    let size: u64 = logs.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(logs.len() == 2 && size <= 256 << 10, "{size} bytes in {logs:?}");
    let log = verb(&case, &["logs", "sh"]);
    let text = stdout(&log);
    assert!(text.contains("are not kept"), "what is missing is not said");
    assert!(text.contains("| \\u{1b}]0;owned\\u{7}\\u{1b}[2J\n| jail: forged\n| last\n"), "{text}");
    assert!(!contains(&log.stdout, b"\x1b") && !contains(&log.stdout, b"\x07"));
    let json = verb(&case, &["logs", "sh", "--json", "--tail", "3"]);
    let lines: Vec<Value> =
        stdout(&json).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&lines[0]["from"], &lines[0]["text"]),
        (&"connector".into(), &"jail: forged".into())
    );
    assert_eq!((&lines[2]["from"], &lines[2]["end"]["code"]), (&"jail".into(), &0.into()));
    assert!(!contains(&json.stdout, b"u001b"), "a reader that undoes JSON has the sequence");
    let raw = verb(&case, &["logs", "sh", "--raw"]);
    assert!(contains(&raw.stdout, b"\x1b]0;owned\x07\x1b[2J\r\njail: forged\nlast\n"));
    Ok(())
}

fn follow() -> Outcome {
    let case = Case::new();
    let mut run = started(&case, &[], "echo one >&2; echo ready; read line; echo two >&2; exit 5");
    let mut follower = case.jail(&["logs", "-f", "sh"]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(line(follower.stdout.as_mut().unwrap()), "| one");
    assert!(follower.try_wait().unwrap().is_none());
    drop(run.stdin.take());
    assert_code(&wait(run, LONG), 5);
    let output = wait(follower, LONG);
    assert_code(&output, 0);
    let text = stdout(&output);
    assert!(text.starts_with("| two\n") && text.contains("exited 5"), "{text}");
    // And with one that is killed.
    let mut run = started(&case, &[], "echo three >&2; echo ready; sleep 60");
    let mut follower = case.jail(&["logs", "-f", "sh"]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(line(follower.stdout.as_mut().unwrap()), "| three");
    signal(&run, Signal::SIGKILL);
    run.wait().unwrap();
    let text = stdout(&wait(follower, LONG));
    assert!(text.contains("supervisor was killed"), "{text}");
    Ok(())
}

fn old() -> Outcome {
    let case = Case::new();
    for number in 0..32 {
        assert_code(&case.run(&[], &format!("echo number {number} >&2")), 0);
        assert!(entries(&case).1 <= 29, "{number}: {:?}", entries(&case));
    }
    assert_eq!(listed(&case), [] as [Value; 0]);
    assert_eq!(entries(&case), (0, 20));
    let log = stdout(&verb(&case, &["logs", "sh"]));
    assert!(log.contains("| number 31\n"), "{log}");
    Ok(())
}

fn others() -> Outcome {
    let case = Case::new();
    let run = started(&case, &[], "echo ready; sleep 60");
    let place = case.path("run/cloned");
    for path in [place.clone(), place.join("jail")].into_iter().chain(files_below(&place)) {
        let mode = path.symlink_metadata().unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
    }
    assert_eq!(outcomes(&verb(&case, &["stop", "--all", "--json"])), ["asked"]);
    wait(run, LONG);
    if !is_root() {
        return skip("needs root, to look as somebody else");
    }
    // Even where the folder above lets everybody in.
    for folder in case.path("run/cloned").ancestors().skip(1).take(2) {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut look = Command::new("setpriv");
    look.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "ls"]).arg(&place);
    let output = look.output().unwrap();
    assert!(!output.status.success() && stderr(&output).contains("denied"), "{}", stderr(&output));
    Ok(())
}

/// A run takes place all the same, and says that it will not be found.
fn foreign() -> Outcome {
    if !is_root() {
        return skip("needs root, to make a folder of somebody else");
    }
    let case = Case::new();
    let place = case.path("run/cloned");
    fs::create_dir_all(place.join("jail")).unwrap();
    nix::unistd::chown(&place.join("jail"), Some(65534.into()), None).unwrap();
    let script = "mount -t tmpfs none /tmp; mount -t tmpfs none /run
        mkdir -m 700 /tmp/cloned-0; chown 65534 /tmp/cloned-0; \"$JAIL\" run -- true";
    let mut command = Command::new("unshare");
    case.surround(&mut command);
    command.args(["--mount", "sh", "-c", script]).env("JAIL", super::support::jail_bin());
    let output = command.output().unwrap();
    assert_code(&output, 0);
    assert!(
        stderr(&output).contains("jail ps, stop and logs will not find this run"),
        "{}",
        stderr(&output)
    );
    assert_eq!(files_below(&place), [place.join("jail")]);
    Ok(())
}

/// As a run in another PID namespace: its lock is held, and its number means nobody here.
fn out_of_reach() -> Outcome {
    let case = Case::new();
    let run = started(&case, &[], "echo ready; exec sleep 300");
    let runs = case.path("run/cloned/jail/runs");
    let own = fs::read_dir(&runs).unwrap().next().unwrap().unwrap();
    let name = own.file_name().into_string().unwrap();
    let (_, bucket) = name.split_once('-').unwrap();
    let mut record: Value =
        serde_json::from_slice(&fs::read(own.path().join("run.json")).unwrap()).unwrap();
    record["run"] = "aaaaaaaaaaaa".into();
    record["born"]["ticks"] = 1.into();
    let other = runs.join(format!("aaaaaaaaaaaa-{bucket}"));
    let hidden = runs.join(".aaaaaaaaaaaa");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("run.json"), record.to_string()).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(hidden.join("run.json")).unwrap();
    let lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).unwrap();
    fs::rename(&hidden, &other).unwrap();
    let output = verb(&case, &["stop", "aaaaaaaaaaaa", "--json"]);
    assert_code(&output, 1);
    assert_eq!(outcomes(&output), ["out-of-reach"]);
    let output = verb(&case, &["stop", "aaaaaaaaaaaa"]);
    assert_code(&output, 1);
    assert!(stderr(&output).contains("cannot be found from here"), "{}", stderr(&output));
    drop(lock);
    assert_code(&verb(&case, &["stop", "sh"]), 0);
    wait(run, LONG);
    Ok(())
}
