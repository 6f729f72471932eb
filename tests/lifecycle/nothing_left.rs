//! After a run there is nothing of it: counted by the kernel itself.
//!
//! The runs are made in a user namespace of the test's own, whose limits of namespaces are set low
//! (/proc/sys/user/max_*_namespaces): the kernel counts every namespace that lives, also one that no
//! process is in any more, and no other jail on the machine is in the count. At the end the limits
//! are set to exactly one jail more than nothing, and a jail must still start.

use super::support::{
    Case, Outcome, assert_code, files_below, is_root, jail_bin, line, skip, stderr, stdout, trial,
    wait, within,
};
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nothing_left::of_a_thousand_in_a_row", in_a_row),
        trial("nothing_left::of_fifty_at_once", at_once),
        trial("nothing_left::of_kills_and_failures", kills),
        trial("nothing_left::a_leak_would_be_noticed", control),
        trial("nothing_left::no_descriptor_of_the_supervisor_grows", descriptors),
    ]
}

/// Sets the limits, runs `$BODY`, and shows what is left. A namespace goes a moment after its last
/// process, so that the last jail may have to wait; one that never goes makes it fail. (Mount
/// namespaces: the test has one, and a mount that is not attached yet counts as one.)
const WORLD: &str = r#"
limit() { for kind in user pid net ipc uts cgroup time; do
    echo $1 2>/dev/null > /proc/sys/user/max_${kind}_namespaces || true; done
    echo $(($1 + 3)) > /proc/sys/user/max_mnt_namespaces; }
patient() { n=0; until "$@" 2>$TMPDIR.err; do n=$((n + 1)); [ $n -lt ${PATIENCE:-200} ] || { cat $TMPDIR.err; return 1; }
    sleep 0.05; done; }
mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm || exit 90
cat /proc/self/mountinfo > $TMPDIR.before
eval "$BODY" || exit 91
limit 1
patient "$JAIL" run -q -- true || exit 92
cat /proc/self/mountinfo | diff $TMPDIR.before - || exit 93
left=$(find /tmp /dev/shm $TMPDIR -mindepth 1); [ -z "$left" ] || { echo "$left"; exit 94; }
"#;

/// For 10,000 jails on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1500);
/// For what ends by itself.
const LONG: Duration = Duration::from_secs(30);

fn world(case: &Case, body: &str) -> Result<Output, super::support::Skip> {
    let mut command = Command::new("unshare");
    case.surround(&mut command);
    command.args(["--mount", "--propagation", "private", "--user"]);
    if is_root() {
        command.arg("--map-root-user");
    } else {
        // Still the ordinary user, but one who may set the limits of this namespace.
        command.args(["--map-current-user", "--keep-caps"]);
    }
    let help = Command::new("unshare").arg("--help").output();
    if !help.is_ok_and(|help| stdout(&help).contains("--keep-caps")) {
        return Err(super::support::Skip("unshare(1) with --keep-caps is not installed".into()));
    }
    command
        .args(["sh", "-c", WORLD, &case.mark])
        .env("JAIL", jail_bin())
        .env("BODY", body)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let before = cgroups();
    let output = wait(command.spawn().unwrap(), PATIENCE);
    // The tests beside this one have theirs, which go with their runs.
    let mut new: Vec<PathBuf> = cgroups().difference(&before).cloned().collect();
    let gone = within(LONG, || {
        new.retain(|cgroup| cgroup.exists());
        new.is_empty()
    });
    assert!(gone, "cgroups are left: {new:?}");
    Ok(output)
}

fn cgroups() -> BTreeSet<PathBuf> {
    let named = |path: &PathBuf| {
        path.is_dir() && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("jail-"))
    };
    files_below(Path::new("/sys/fs/cgroup")).into_iter().filter(named).collect()
}

fn in_a_row() -> Outcome {
    let case = Case::new();
    let jails = std::env::var("JAIL_SOAK_JAILS").unwrap_or_else(|_| "1000".to_owned());
    let body = format!(
        "limit 12; i=0; while [ $i -lt {jails} ]; do i=$((i + 1)); \
         patient \"$JAIL\" run -q -- true || return 1; done"
    );
    assert_code(&world(&case, &body)?, 0);
    case.assert_nothing_left();
    Ok(())
}

fn at_once() -> Outcome {
    let case = Case::new();
    let body = "limit 60; i=0; while [ $i -lt 50 ]; do i=$((i + 1)); \
                { patient \"$JAIL\" run -q -- sh -c 'sleep 1; exit 0' || echo FAILED; } & done; wait; true";
    let output = world(&case, body)?;
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
    case.assert_nothing_left();
    Ok(())
}

/// The other ways out: killed supervisors, refusals late in the set-up, time limits.
fn kills() -> Outcome {
    let case = Case::new();
    let body = r#"limit 20; i=0; while [ $i -lt 60 ]; do i=$((i + 1))
        "$JAIL" run -q -- sleep 300 & p=$!; sleep 0.0$((i % 4)); kill -9 $p; wait $p
        "$JAIL" run -q -- /nonexistent; "$JAIL" run -q -- sh -c 'kill -9 $$'
        "$JAIL" run -q --timeout 50ms -- sleep 300; sleep 0.05; done 2>/dev/null; true"#;
    assert_code(&world(&case, body)?, 0);
    case.assert_nothing_left();
    Ok(())
}

/// The measure itself: one network namespace that stays, and one file.
fn control() -> Outcome {
    let case = Case::new();
    let held = r#"PATIENCE=10; unshare --net sleep 600 >/dev/null 2>&1 & held=$!
        trap "kill $held" EXIT; own=$(readlink /proc/self/ns/net); n=0
        while [ "$(readlink /proc/$held/ns/net)" = "$own" ]; do
            n=$((n + 1)); [ $n -lt 200 ] || return 1; sleep 0.05; done
        limit 12; true"#;
    let output = world(&case, held)?;
    assert_code(&output, 92);
    assert!(stdout(&output).contains("ENOSPC"), "{}", stdout(&output));
    assert_code(&world(&case, "echo > /tmp/left; true")?, 94);
    Ok(())
}

/// A supervisor that lives long holds the same descriptors all the time.
fn descriptors() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&[], "while read x; do echo err >&2; sh -c 'kill -9 $$'; echo $x; done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = format!("/proc/{}/fd", child.id());
    let count = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
    let mut counts = BTreeSet::new();
    for number in 0..100 {
        use std::io::Write;
        writeln!(child.stdin.as_mut().unwrap(), "{number}").unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), number.to_string());
        counts.insert(count());
    }
    // One that is open for a moment (a list of processes, a file of the run) is no growth.
    let least = counts.first().copied().unwrap_or_default();
    let settled = within(LONG, || count() == least);
    drop(child.stdin.take());
    assert_code(&wait(child, Duration::from_secs(10)), 0);
    if counts == BTreeSet::from([0]) {
        return skip("the supervisor's /proc/PID/fd cannot be read");
    }
    assert!(settled && counts.iter().all(|n| *n < 16), "{counts:?}");
    case.assert_nothing_left();
    Ok(())
}
