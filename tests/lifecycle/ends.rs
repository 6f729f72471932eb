//! The client goes away: by closing its end, politely or not.

use super::support::{
    Case, Outcome, assert_code, line, signal, stderr, stdout, trial, wait, within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("ends::eof_ends_a_connector_that_obeys", obeys),
        trial("ends::eof_ignored_is_ended_after_the_grace", ignores),
        trial("ends::the_grace_is_the_one_asked_for", graces),
        trial("ends::both_ends_closed_is_ended", both_closed),
        trial("ends::socket_client_gone", socket_gone),
        trial("ends::unread_input_is_read_first", slow_reader),
        trial("ends::without_a_grace_it_may_live_on", pipeline),
        trial("ends::half_closed_socket_still_gets_its_answers", half_closed),
    ]
}

const LONG: Duration = Duration::from_secs(20);

fn obeys() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&["--eof-grace", "10m"], "cat; exit 9")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    // Far sooner than the grace is over.
    let output = wait(child, LONG);
    assert_code(&output, 9);
    assert_eq!(stdout(&output), "hello");
    Ok(())
}

/// The time is the one that was asked for: of two, the one with the longer grace lives on.
fn graces() -> Outcome {
    let case = Case::new();
    let deaf = "echo ready; while :; do sleep 0.1; done";
    let start = |grace: &str| {
        let mut child = case
            .script(&["--eof-grace", grace], deaf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
        drop(child.stdin.take());
        child
    };
    let (mut long, short) = (start("10m"), start("100ms"));
    assert_code(&wait(short, LONG), 143);
    assert!(long.try_wait().unwrap().is_none(), "it was ended before its time");
    signal(&long, Signal::SIGTERM);
    assert_code(&wait(long, LONG), 143);
    case.assert_nothing_left();
    Ok(())
}

/// Three of 26 measured servers ignore the end of input, and leave trees behind.
fn ignores() -> Outcome {
    let case = Case::new();
    let script = "(setsid sh -c 'sleep 61 & sleep 62' >/dev/null 2>&1 &) ; setsid setsid sleep 63 & \
                  nohup sleep 64 >/dev/null 2>&1 & echo ready; while :; do sleep 0.1; done";
    let mut child = case
        .script(&["--eof-grace", "500ms"], script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    assert!(within(LONG, || case.processes().len() >= 6), "{:?}", case.processes());
    let started = Instant::now();
    drop(child.stdin.take());
    let output = wait(child, LONG);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert_code(&output, 143);
    assert!(stderr(&output).contains("lived on after its client had gone"), "{}", stderr(&output));
    // init's end is the end of its pid namespace: no daemon gets away.
    assert!(case.processes().is_empty(), "{:?}", case.processes());
    case.assert_nothing_left();
    Ok(())
}

fn both_closed() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&[], "trap '' PIPE; echo ready; while :; do sleep 0.1; done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()), "ready");
    drop((child.stdin.take(), child.stdout.take()));
    let output = wait(child, LONG);
    assert_code(&output, 143);
    case.assert_nothing_left();
    Ok(())
}

fn socket_gone() -> Outcome {
    let case = Case::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let theirs: OwnedFd = theirs.into();
    let child = case
        .script(&[], "echo ready; while :; do sleep 0.1; done")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs)
        .spawn()
        .unwrap();
    assert_eq!(line(&mut ours), "ready");
    drop(ours);
    assert_code(&wait(child, LONG), 143);
    case.assert_nothing_left();
    Ok(())
}

/// All that was sent is read, however late, before the grace begins.
fn slow_reader() -> Outcome {
    let case = Case::new();
    let script = "sleep 1.5; n=0; while head -c 32768 >/workspace/x && [ -s /workspace/x ]; do \
                  n=$((n + $(wc -c </workspace/x))); sleep 0.02; done; echo $n";
    let mut child = case
        .script(&["--eof-grace", "300ms"], script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        input.write_all(&vec![b'x'; 1 << 20]).unwrap();
    });
    let output = wait(child, LONG);
    writer.join().unwrap();
    assert_eq!(stdout(&output), "1048576\n");
    assert_code(&output, 0);
    // What fits into the pipe is there in a moment, and its writer gone, long before it is read.
    let mut child = case
        .script(&["--eof-grace", "300ms"], "sleep 2; wc -c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&[b'x'; 60_000]).unwrap();
    assert_eq!(stdout(&wait(child, LONG)).trim(), "60000");
    Ok(())
}

fn pipeline() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&[], "cat; sleep 3; echo done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"x\n").unwrap();
    let output = wait(child, LONG);
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "x\ndone\n");
    Ok(())
}

fn half_closed() -> Outcome {
    let case = Case::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let theirs: OwnedFd = theirs.into();
    let child = case
        .script(&["--eof-grace", "5s"], "cat; sleep 3.5; echo answer")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs)
        .spawn()
        .unwrap();
    ours.write_all(b"question\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    // `wait` first: while the Command's copies live here, there is no end of the stream.
    assert_code(&wait(child, LONG), 0);
    ours.read_to_string(&mut text).unwrap();
    assert_eq!(text, "question\nanswer\n");
    Ok(())
}
