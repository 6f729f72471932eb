//! Signals to the supervisor are the connector's.

use super::support::{Case, Outcome, assert_code, line, signal, stdout, trial, wait, within};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("signals::reach_the_connector_and_its_group", reach),
        trial("signals::once_when_the_whole_group_is_signalled", once),
        trial("signals::default_action_is_the_exit_code", default_action),
        trial("signals::ignored_sigterm_stays_until_sigkill", stubborn),
        trial("signals::before_the_connector_starts", early),
    ]
}

const LONG: Duration = Duration::from_secs(20);

fn reach() -> Outcome {
    let case = Case::new();
    for sent in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2]
    {
        let name = sent.as_str().trim_start_matches("SIG");
        // The shell and a child of it: npx and `sh -c` pass nothing on to what they started.
        // (A child in the background would not do: sh makes it ignore INT.)
        let script = format!(
            "trap 'echo own {name}' {name}
             sh -c 'trap \"echo child {name}; exit 4\" {name}; echo ready; while :; do sleep 0.02; done'
             exit 5"
        );
        let mut child =
            case.script(&[], &script).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        signal(&child, sent);
        let output = wait(child, LONG);
        let text = stdout(&output);
        assert!(text.contains(&format!("own {name}")), "{name}: {text:?}");
        assert!(text.contains(&format!("child {name}")), "{name}: {text:?}");
        assert_code(&output, 5);
    }
    case.assert_nothing_left();
    Ok(())
}

/// A terminal's ^C goes to the whole foreground group, the Python SDK signals a group as well: the
/// supervisor and init must not both pass it on, since many programs give up at the second one.
fn once() -> Outcome {
    let case = Case::new();
    let script =
        "trap 'echo caught' TERM; echo ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done";
    for _ in 0..10 {
        let mut child = case
            .script(&[], script)
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        let group = Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::killpg(group, Signal::SIGTERM).unwrap();
        assert_eq!(stdout(&wait(child, LONG)), "caught\n");
    }
    // Not by luck: init is in no group of the supervisor's.
    let mut child = case
        .script(&[], "echo ready; sleep 60")
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    let group = child.id().cast_signed();
    for (pid, command) in case.processes() {
        let of = nix::unistd::getpgid(Some(Pid::from_raw(pid))).unwrap().as_raw();
        assert!(pid == group || of != group, "{pid} {command} is in the supervisor's group");
    }
    signal(&child, Signal::SIGKILL);
    wait(child, LONG);
    case.assert_nothing_left();
    Ok(())
}

fn default_action() -> Outcome {
    let case = Case::new();
    for (sent, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let mut child = case
            .script(&[], "echo ready; exec sleep 60")
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        signal(&child, sent);
        assert_code(&wait(child, LONG), code);
    }
    Ok(())
}

fn stubborn() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&[], "trap '' TERM INT; echo ready; while :; do sleep 0.2; done")
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    for _ in 0..3 {
        signal(&child, Signal::SIGTERM);
        signal(&child, Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "a forwarded signal is no order to end");
    }
    // The client's last word; the whole jail goes with the supervisor.
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    assert!(
        within(Duration::from_secs(5), || case.processes().is_empty()),
        "{:?}",
        case.processes()
    );
    case.assert_nothing_left();
    Ok(())
}

/// At whatever moment SIGTERM comes, the run ends as one that was told to: never by hanging, and never
/// as a refusal.
fn early() -> Outcome {
    let case = Case::new();
    for attempt in 0..120u64 {
        let child = case
            .script(&[], "exec sleep 60")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(attempt * 400));
        signal(&child, Signal::SIGTERM);
        let output = wait(child, LONG);
        // Before the supervisor takes signals over, SIGTERM ends it itself.
        let own = std::os::unix::process::ExitStatusExt::signal(&output.status);
        if own != Some(15) {
            assert_code(&output, 143);
        }
    }
    case.assert_nothing_left();
    Ok(())
}
