//! The audit log under many processes, kills and full disks, and its verbs.
//!
//! The processes that append are this test binary again: [`appender`] does nothing unless its
//! environment says what to append to.

use jail::audit::{AuditError, Denial, Event, Log, Mechanism, Report, RunId, verify};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `PATH` of the log, `COUNT` of records (0: until killed or until an append fails).
const LOG: &str = "JAIL_TEST_AUDIT_LOG";
const COUNT: &str = "JAIL_TEST_AUDIT_COUNT";
/// What the fake disk looks like where the case of a full one runs.
const FULL: &str = "JAIL_TEST_AUDIT_FULL";

fn denial(run: &RunId, number: usize) -> Event {
    Event::Denial(Denial {
        run: run.clone(),
        mechanism: Mechanism::Proxy,
        object: format!("host-{number}.example:443").into(),
        // Long, so that many records lie on two pages, where a kill can tear them.
        reason: "not in the allowlist ".repeat(30).into(),
        fix: None,
        times: 1,
        detail: Default::default(),
    })
}

/// This test binary again, running only the test `name`.
fn again(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("audit::{name}"), "--exact", "--nocapture"]);
    command.stdin(Stdio::null());
    command
}

fn spawn_appender(log: &Path, count: usize) -> Child {
    again("appender")
        .env(LOG, log)
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn appender() {
    let Some(path) = std::env::var_os(LOG) else { return };
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    let log = Log::open(Path::new(&path)).unwrap();
    let run = RunId::fresh();
    println!("ready");
    for number in 0.. {
        if count > 0 && number == count {
            return;
        }
        log.append(&denial(&run, number)).unwrap();
    }
}

/// Waits until the process is about to append.
fn until_ready(child: &mut Child) {
    let mut out = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before it was ready");
    }
}

fn sound(path: &Path) -> Report {
    let report = verify(path).unwrap();
    assert!(report.is_sound(), "{report:?}");
    report
}

#[test]
fn eight_processes_append_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let children: Vec<_> = (0..8).map(|_| spawn_appender(&path, 500)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let report = sound(&path);
    assert_eq!((report.records, report.tears, report.open_tear), (4000, 0, false));
}

#[test]
fn threads_of_one_process_append_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("audit.log")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let run = RunId::fresh();
                for number in 0..100 {
                    log.append(&denial(&run, number)).unwrap();
                }
            });
        }
    });
    assert_eq!(sound(&log.path()).records, 400);
}

#[test]
fn two_hundred_kills_leave_a_sound_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut steady: Vec<_> = (0..2).map(|_| spawn_appender(&path, 0)).collect();
    for round in 0..200_u64 {
        let mut child = spawn_appender(&path, 0);
        until_ready(&mut child);
        // Unlike any period of the writer; no two alike.
        std::thread::sleep(Duration::from_micros(round * 7919 % 6007));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for child in &mut steady {
        assert!(child.try_wait().unwrap().is_none(), "a steady writer gave up");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let before = sound(&path);
    assert!(before.records > 1000, "{before:?}");
    // The log goes on after the last kill.
    Log::open(&path).unwrap().append(&denial(&RunId::fresh(), 0)).unwrap();
    let after = sound(&path);
    assert_eq!(after.records, before.records + 1);
    assert!(!after.open_tear);
    println!("{} records, {} tears", after.records, after.tears);
}

/// Appends until the disk is full, sees a clear error and a sound log, makes space, goes on.
#[test]
fn full_disk() {
    let Some(folder) = std::env::var_os(FULL).map(PathBuf::from) else { return };
    let run = RunId::fresh();
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 16 * 1024]).unwrap();
    let log = Log::open(&folder.join("audit.log")).unwrap();
    let error = (0..10_000).find_map(|number| log.append(&denial(&run, number)).err()).unwrap();
    let text = jail::failure::Failure::from(error).to_string();
    assert!(text.contains("hint: make space"), "{text}");
    let full = sound(&log.path());
    for _ in 0..20 {
        log.append(&denial(&run, 0)).unwrap_err();
    }
    assert!(sound(&log.path()).records <= full.records + 1);
    fs::remove_file(ballast).unwrap();
    log.append(&denial(&run, 0)).unwrap();
    log.append(&denial(&run, 0)).unwrap();
    let after = sound(&log.path());
    assert!(after.records >= full.records + 2 && !after.open_tear, "{full:?} {after:?}");
    println!("full disk: {} records, {} tears", after.records, after.tears);
}

#[test]
fn a_full_disk_is_an_error_and_harms_nothing() {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-ec", script, "sh"]);
        command
    };
    let folder = tempfile::tempdir().unwrap();
    if !unshare("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: no user namespaces here");
        return;
    }
    // Sizes that end in a page of the log, of the head, of neither.
    for size in [64, 68, 72, 96] {
        let mount =
            format!("mount -t tmpfs -o mode=700,size={size}k none \"$1\"; shift; exec \"$@\"");
        let inner = again("full_disk");
        let output = unshare(&mount)
            .arg(folder.path())
            .arg(inner.get_program())
            .args(inner.get_args())
            .env(FULL, folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("full disk: "), "{output:?}");
    }
}

#[test]
fn size_limit() {
    let Some(folder) = std::env::var_os(FULL).map(PathBuf::from) else { return };
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_FSIZE, 20_000, 20_000).unwrap();
    let log = Log::open(&folder.join("audit.log")).unwrap();
    let run = RunId::fresh();
    let error = (0..1000).find_map(|number| log.append(&denial(&run, number)).err()).unwrap();
    assert!(matches!(error, AuditError::SizeLimit { limit: 20_000, .. }), "{error}");
    println!("size limit reached");
}

#[test]
fn a_limit_on_file_sizes_is_an_error_not_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let output = again("size_limit").env(FULL, folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("size limit reached"), "{output:?}");
    let report = sound(&folder.path().join("audit.log"));
    assert_eq!((report.tears, report.open_tear), (0, false));
}

// === the verbs ===

fn jail(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.arg("audit").args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn answer(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = jail(folder, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A workspace with a log of three denials.
fn workspace() -> (tempfile::TempDir, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join(".cloned/audit.log")).unwrap();
    let run = RunId::fresh();
    for number in 0..3 {
        log.append(&denial(&run, number)).unwrap();
    }
    (folder, log)
}

#[test]
fn verify_ends_with_0_1_or_2() {
    let (folder, log) = workspace();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let (code, out, err) = answer(&below, &["verify"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert_eq!(err, "3 records, nothing was changed\n");

    let text = fs::read_to_string(log.path()).unwrap();
    fs::write(log.path(), text.replace("host-1", "host-7")).unwrap();
    let (code, out, err) = answer(&below, &["verify"]);
    let line =
        format!("{}:2: record 2 was changed: its hash is of other bytes\n", log.path().display());
    assert_eq!((code, out), (Some(1), line));
    assert_eq!(err, "2 records, 1 finding\n");
    let (code, out, _) = answer(&below, &["verify", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, json["sound"].as_bool(), json["findings"][0]["what"].as_str()),
        (Some(1), Some(false), Some("edited"))
    );

    let (code, _, err) = answer(&below, &["verify", "/nonexistent/audit.log"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot open /nonexistent/audit.log"), "{err}");
}

#[test]
fn show_and_tail_print_what_is_asked_for() {
    let (folder, log) = workspace();
    let lines = |args: &[&str]| {
        let (code, out, err) = answer(folder.path(), args);
        assert_eq!(code, Some(0), "{err}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let raw = fs::read_to_string(log.path()).unwrap();
    assert_eq!(lines(&["show", "--json"]), raw.lines().collect::<Vec<_>>());
    assert_eq!(lines(&["show"]).len(), 4);
    assert_eq!(lines(&["show", "--kind", "run-end"]).len(), 0);
    assert_eq!(lines(&["show", "--since", "1h", "--kind", "denial"]).len(), 4);
    assert_eq!(lines(&["show", "--since", "2100-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(lines(&["show", "--connector", "other"]).len(), 0);
    assert_eq!(lines(&["tail", "-n", "2", "--json"]), raw.lines().skip(1).collect::<Vec<_>>());
    assert!(lines(&["tail", "-n", "1"])[1].contains("host-2.example:443"));
    let (code, _, err) = answer(folder.path(), &["show", "--run", "last"]);
    assert_eq!((code, err.as_str()), (Some(2), "error: the log holds no such run\n"));
    assert_eq!(answer(folder.path(), &["show", "--since", "soon"]).0, Some(2));
}

#[test]
fn a_hostile_log_does_not_reach_the_terminal() {
    let (folder, log) = workspace();
    let mut text = fs::read_to_string(log.path()).unwrap();
    text.push_str("\x1b[2J\u{202e}hello\n");
    fs::write(log.path(), text).unwrap();
    for args in [&["show"][..], &["show", "--json"], &["tail"], &["verify"]] {
        let (_, out, err) = answer(folder.path(), args);
        assert!(!out.contains(['\x1b', '\u{202e}']) && !err.contains(['\x1b', '\u{202e}']));
    }
    assert!(answer(folder.path(), &["show"]).2.contains("1 line is no record"));
}

#[test]
fn tail_follows_concurrent_writers_and_a_new_log() {
    let (folder, log) = workspace();
    let mut tail = jail(folder.path(), &["tail", "-n", "1", "-f", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut seqs = |count: usize| -> Vec<u64> {
        let lines = out.by_ref().take(count);
        let seq = |line: String| {
            serde_json::from_str::<serde_json::Value>(&line).unwrap()["seq"].as_u64()
        };
        lines.map(|line| seq(line.unwrap()).unwrap()).collect()
    };
    assert_eq!(seqs(1), [3]);
    let children: Vec<_> = (0..3).map(|_| spawn_appender(&log.path(), 50)).collect();
    assert_eq!(seqs(150), (4..=153).collect::<Vec<_>>());
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let kept = folder.path().join(".cloned");
    for name in ["audit.log", "audit.head"] {
        fs::rename(kept.join(name), kept.join(format!("{name}.old"))).unwrap();
    }
    log.append(&denial(&RunId::fresh(), 0)).unwrap();
    assert_eq!(seqs(1), [1]);

    // It ends when its reader does, though nothing more is written.
    drop(out);
    let start = Instant::now();
    while tail.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "tail outlives its reader");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut err = String::new();
    tail.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(err.contains("the log was replaced"), "{err}");
}

#[test]
fn a_log_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    fs::File::options().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    Log::open(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let text = jail::failure::Failure::from(Log::open(&path).unwrap_err()).to_string();
    assert!(text.contains("(mode 0666)") && text.contains("hint: chmod go-w"), "{text}");
}

#[test]
fn a_folder_that_init_made_can_hold_a_log_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let init = format!("umask 002; exec {} init", env!("CARGO_BIN_EXE_jail"));
    let made = Command::new("sh").args(["-c", &init]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let log = Log::open(&folder.path().join(".cloned/audit.log")).unwrap();
    assert_eq!(log.append(&denial(&RunId::fresh(), 0)).unwrap().seq, 1);
}
