//! `jail doctor host`, here and in places where something is taken away.
//!
//! The tests that take something away need `unshare` or `bwrap` and user namespaces. Where those are
//! missing they say so on stderr; with `JAIL_TEST_MUST_RUN=userns,bwrap` that is a failure.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "helpers of tests, beside the tests")]

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const JAIL: &str = env!("CARGO_BIN_EXE_jail");

fn run(command: &mut Command, stdin: &[u8]) -> Output {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("spawn");
    child.stdin.take().expect("stdin").write_all(stdin).expect("write");
    child.wait_with_output().expect("wait")
}

/// The report of `jail doctor host --json`, with the exit code.
fn report(command: &mut Command, stdin: &[u8]) -> (Value, i32) {
    let output = run(command, stdin);
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    (json, output.status.code().expect("exit code"))
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["checks"].as_array().expect("checks");
    all.iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("no check {id}"))
}

fn fixes(check: &Value) -> String {
    let all = check["fixes"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|f| f["command"].as_str()).collect::<Vec<_>>().join("\n")
}

/// True where this works; else says that the test is skipped, or fails where it must not be.
fn can(what: &str, command: &[&str]) -> bool {
    let works = Command::new(command[0])
        .args(&command[1..])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
        assert!(!must.split(',').any(|m| m == what), "{what} must work here: {command:?}");
        eprintln!("skipped: {what} does not work here ({command:?})");
    }
    works
}

fn can_unshare() -> bool {
    can("userns", &["unshare", "-Ur", "true"])
}

fn can_bwrap() -> bool {
    can("bwrap", &["bwrap", "--unshare-user", "--dev-bind", "/", "/", "true"])
}

#[test]
fn the_report_is_complete_and_its_verdict_is_the_exit_code() {
    let (report, code) = report(Command::new(JAIL).args(["doctor", "host", "--json"]), b"");
    assert_eq!(report["schema"], "jail.doctor.host/1");
    let checks = report["checks"].as_array().expect("checks");
    let mut ids: Vec<&str> = checks.iter().map(|c| c["id"].as_str().expect("id")).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
    let mut worst = 0;
    for check in checks {
        let status = check["status"].as_str().expect("status");
        assert_eq!(check["cost"].is_null(), status == "ok", "{check}");
        match (check["needed"].as_bool().expect("needed"), status) {
            (true, "missing") => worst = 1,
            (true, "unknown") if worst == 0 => worst = 2,
            _ => {}
        }
    }
    assert_eq!(code, worst, "{report:#}");
}

#[test]
fn the_table_has_a_line_per_check() {
    let (json, _) = report(Command::new(JAIL).args(["doctor", "host", "--json"]), b"");
    let output = run(Command::new(JAIL).args(["doctor", "host"]), b"");
    let table = String::from_utf8(output.stdout).expect("utf-8");
    for check in json["checks"].as_array().expect("checks") {
        let title = check["title"].as_str().expect("title");
        assert!(table.lines().any(|l| l[10..].starts_with(title)), "{title}\n{table}");
    }
    assert!(output.stderr.is_empty());
}

#[test]
fn no_user_namespaces_left() {
    if !can_unshare() {
        return;
    }
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" doctor host --json";
    let (report, code) =
        report(Command::new("unshare").args(["-Ur", "sh", "-c", script, JAIL]), b"");
    let user = check(&report, "namespaces.user");
    assert_eq!((user["status"].as_str(), code), (Some("missing"), 1));
    assert!(user["evidence"].as_str().expect("text").contains("ENOSPC"), "{user}");
    assert!(fixes(user).contains("user.max_user_namespaces=28633"), "{user}");
    // What needs one first is not called missing.
    assert_eq!(check(&report, "mounts.tmpfs")["status"], "unknown");
    // What needs none is still tried.
    assert_eq!(check(&report, "seccomp.filter")["status"], "ok");
}

#[test]
fn no_network_namespaces_left() {
    if !can_unshare() {
        return;
    }
    let script = "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$0\" doctor host --json";
    let (report, code) =
        report(Command::new("unshare").args(["-Ur", "sh", "-c", script, JAIL]), b"");
    assert_eq!(code, 1);
    assert_eq!(check(&report, "namespaces.user")["status"], "ok");
    for id in ["namespaces.net", "network.veth"] {
        assert!(fixes(check(&report, id)).contains("max_net_namespaces"), "{id}");
    }
}

#[test]
fn one_network_namespace_is_not_enough() {
    if !can_unshare() {
        return;
    }
    let script = "echo 1 > /proc/sys/user/max_net_namespaces; exec \"$0\" doctor host --json";
    let (report, code) =
        report(Command::new("unshare").args(["-Ur", "sh", "-c", script, JAIL]), b"");
    let second = check(&report, "network.second");
    assert_eq!((second["status"].as_str(), code), (Some("missing"), 1));
    assert!(second["cost"].as_str().expect("text").contains("those without network can"));
    assert!(fixes(second).contains("user.max_net_namespaces=28633"), "{second}");
}

#[test]
fn root_that_may_not_map_itself() {
    if !can_unshare() {
        return;
    }
    let command = ["-Ur", "setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    let (report, code) =
        report(Command::new("unshare").args(command).args([JAIL, "doctor", "host", "--json"]), b"");
    let user = check(&report, "namespaces.user");
    assert_eq!(code, 1);
    assert!(user["evidence"].as_str().expect("text").contains("CAP_SETFCAP"), "{user}");
}

/// A filter as container engines load it: no new namespaces, no mounts, clone3 unknown.
#[cfg(target_arch = "x86_64")]
fn container_filter() -> Vec<u8> {
    let op = |code: u16, jt: u8, jf: u8, k: u32| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([jt, jf]);
        bytes.extend(k.to_ne_bytes());
        bytes
    };
    let (load, equal, any_bit, answer) = (0x20, 0x15, 0x45, 0x06);
    let (errno, allow) = (0x0005_0000, 0x7fff_0000);
    let mut filter = op(load, 0, 0, 0);
    let calls = [
        (libc::SYS_clone3, libc::ENOSYS),
        (libc::SYS_unshare, libc::EPERM),
        (libc::SYS_mount, libc::EPERM),
    ];
    for (call, number) in calls {
        filter.extend(op(equal, 0, 1, call as u32));
        filter.extend(op(answer, 0, 0, errno | number as u32));
    }
    filter.extend(op(equal, 0, 3, libc::SYS_clone as u32));
    filter.extend(op(load, 0, 0, 16)); // the flags
    filter.extend(op(any_bit, 0, 1, 0x7e02_0000)); // CLONE_NEW…
    filter.extend(op(answer, 0, 0, errno | libc::EPERM as u32));
    filter.extend(op(answer, 0, 0, allow));
    filter
}

#[cfg(target_arch = "x86_64")]
#[test]
fn inside_a_container_filter() {
    if !can_bwrap() {
        return;
    }
    let command = ["--unshare-user", "--dev-bind", "/", "/", "--seccomp", "0"];
    let mut bwrap = Command::new("bwrap");
    let (report, code) =
        report(bwrap.args(command).args([JAIL, "doctor", "host", "--json"]), &container_filter());
    let user = check(&report, "namespaces.user");
    assert_eq!(code, 1);
    let evidence = user["evidence"].as_str().expect("text");
    assert!(evidence.contains("ENOSYS") && evidence.contains("seccomp filter"), "{user}");
    // The filter takes clone3 away, not these.
    for id in ["calls.pidfd", "landlock.restrict", "seccomp.filter"] {
        assert_ne!(check(&report, id)["status"], "missing", "{id}");
    }
}

/// A sandbox that shows this binary, its libraries and a /proc of its own: none of the host's other
/// mounts. (The kernel allows a fresh /proc where *any* mount of one is uncovered, wherever it is.)
fn closed_sandbox() -> Command {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-user", "--unshare-pid", "--proc", "/proc", "--tmpfs", "/tmp"]);
    for place in ["/usr", "/bin", "/lib", "/lib64"] {
        bwrap.args(["--ro-bind-try", place, place]);
    }
    bwrap.args(["--ro-bind", JAIL, "/jail"]);
    bwrap
}

#[test]
fn a_covered_proc_with_read_only_settings() {
    let probe =
        ["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc"];
    if !can("bwrap", &[&probe[..], &["true"]].concat()) {
        return;
    }
    let doctor = ["/jail", "doctor", "host", "--json"];
    // The control: the same sandbox with nothing covered. Not as root, for whom bwrap itself covers
    // what root could write there (/proc/sys, sysrq-trigger, irq, bus).
    if !nix::unistd::geteuid().is_root() {
        let (open, _) = report(closed_sandbox().args(doctor), b"");
        assert_eq!(check(&open, "mounts.proc")["status"], "ok", "{open:#}");
        assert_eq!(check(&open, "network.sysctl")["status"], "ok", "{open:#}");
    }

    let cover = ["--ro-bind", "/proc/sys", "/proc/sys"];
    let (covered, code) = report(closed_sandbox().args(cover).args(doctor), b"");
    assert_eq!(code, 1);
    assert!(fixes(check(&covered, "mounts.proc")).contains("systempaths=unconfined"));
    let sysctl = check(&covered, "network.sysctl");
    assert_eq!(sysctl["status"], "degraded");
    assert!(sysctl["evidence"].as_str().expect("text").contains("EROFS"), "{sysctl}");
}

#[test]
fn the_apparmor_profile_is_for_this_binary() {
    let output = run(Command::new(JAIL).args(["doctor", "host", "--apparmor"]), b"");
    let profile = String::from_utf8(output.stdout).expect("utf-8");
    let head = profile.lines().find(|l| l.starts_with("profile jail ")).expect("a profile");
    assert!(head.contains(JAIL) && head.ends_with("flags=(unconfined) {"), "{head}");
    assert!(profile.contains("\n  userns,\n"));
    assert!(output.status.success());
}
