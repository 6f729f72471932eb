//! kill -9 of the supervisor, at any moment: the jail goes with it.

use super::support::{
    Case, Outcome, assert_code, line, signal, stderr, stdout, trial, wait, within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::process::Stdio;
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("killed::while_it_is_set_up", setting_up),
        trial("killed::while_it_runs", running),
        trial("killed::init_is_killed", init),
    ]
}

fn setting_up() -> Outcome {
    let case = Case::new();
    for attempt in 0..200u64 {
        let mut child = case
            .script(&[], "setsid sleep 300 & sleep 300")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Spread over the set-up, in no order, so that a slow phase of the machine hits all parts.
        std::thread::sleep(Duration::from_micros(attempt * 7919 % 30_000));
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(5), || case.processes().is_empty());
        assert!(gone, "attempt {attempt}: {:#?}", case.processes());
    }
    after(&case);
    Ok(())
}

/// Daemons of every sort: none of them is in the connector's process group or session any more.
fn running() -> Outcome {
    let case = Case::new();
    let script = "(setsid sh -c 'sleep 301 & sleep 302' >/dev/null 2>&1 &)
        (sh -c 'sleep 303 &' &)
        trap '' HUP INT TERM; setsid nohup sleep 304 >/dev/null 2>&1 &
        echo ready; sleep 305";
    for _ in 0..30 {
        let mut child =
            case.script(&[], script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        let all = within(Duration::from_secs(10), || case.processes().len() >= 8);
        assert!(all, "{:?}", case.processes());
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        let gone = within(Duration::from_secs(5), || case.processes().is_empty());
        assert!(gone, "{:#?}", case.processes());
    }
    after(&case);
    Ok(())
}

/// The supervisor notices, and says so with the code of SIGKILL.
fn init() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&[], "setsid sleep 306 & echo ready; sleep 307")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    let supervisor = child.id();
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let init: i32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), Signal::SIGKILL).unwrap();
    let output = wait(child, Duration::from_secs(10));
    assert_code(&output, 137);
    after(&case);
    Ok(())
}

/// Nothing is in the way of the next run, and the audit log is whole.
fn after(case: &Case) {
    case.assert_nothing_left();
    let output = case.run(&[], "echo again");
    assert_eq!(stdout(&output), "again\n");
    assert_code(&output, 0);
    // A record may be torn by SIGKILL within its write: the next one then vouches for what there is of it.
    let verified = case.jail(&["audit", "verify"]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}{}", stdout(&verified), stderr(&verified));
}
