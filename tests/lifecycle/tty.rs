//! `--tty`: a terminal inside, made by jail, and a terminal outside, made by the test.

use super::support::{Case, Outcome, assert_code, line, signal, stdout, trial, wait, within};
use libtest_mimic::Trial;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("tty::terminal_inside", inside),
        trial("tty::control_c_is_sigint", control_c),
        trial("tty::modes_are_restored", modes),
        trial("tty::input_from_a_pipe_ends", piped),
        trial("tty::much_in_both_directions", much),
    ]
}

const LONG: Duration = Duration::from_secs(15);

/// A person's terminal: what jail wrote to it is collected.
struct Terminal {
    master: File,
    slave: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let size = Winsize { ws_row: 33, ws_col: 101, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let master = File::from(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reading, into) = (master.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reading.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { master, slave, shown }
    }

    fn start(&self, case: &Case, script: &str) -> Child {
        let stream = || self.slave.try_clone().unwrap();
        let mut command = case.script(&["--tty"], script);
        command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn shows(&self, text: &str) {
        let seen = within(LONG, || self.text().contains(text));
        assert!(seen, "`{text}` is not shown: {:?}", self.text());
    }

    /// Is it as a person expects it: echo, whole lines, ^C as a signal?
    fn is_cooked(&self) -> bool {
        let wanted = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
        tcgetattr(self.slave.as_fd()).unwrap().local_flags.contains(wanted)
    }
}

fn inside() -> Outcome {
    let (case, terminal) = (Case::new(), Terminal::new());
    let script = "test -t 0 && test -t 1 && test -t 2 && echo all three; stty size; ls -l /proc/$$/fd/0; \
                  read answer; echo got $answer; exit 7";
    let child = terminal.start(&case, script);
    terminal.shows("all three");
    terminal.shows("33 101");
    assert!(!terminal.is_cooked(), "keys go to the terminal inside");
    (&terminal.master).write_all(b"hello\r").unwrap();
    assert_code(&wait(child, LONG), 7);
    terminal.shows("got hello");
    assert!(terminal.is_cooked());
    case.assert_nothing_left();
    Ok(())
}

fn control_c() -> Outcome {
    let (case, terminal) = (Case::new(), Terminal::new());
    let child = terminal
        .start(&case, "trap 'echo caught; exit 8' INT; echo ready; while :; do sleep 0.1; done");
    terminal.shows("ready");
    (&terminal.master).write_all(&[3]).unwrap();
    assert_code(&wait(child, LONG), 8);
    terminal.shows("caught");
    // Without a trap: what a shell shows for a program that ^C ended.
    let child = terminal.start(&case, "echo second; exec sleep 60");
    terminal.shows("second");
    (&terminal.master).write_all(&[3]).unwrap();
    assert_code(&wait(child, LONG), 130);
    Ok(())
}

fn modes() -> Outcome {
    let (case, terminal) = (Case::new(), Terminal::new());
    assert!(terminal.is_cooked());
    for (number, sent) in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT].into_iter().enumerate()
    {
        let child = terminal.start(&case, &format!("stty raw; echo up {number}; exec sleep 60"));
        terminal.shows(&format!("up {number}"));
        signal(&child, sent);
        assert_code(&wait(child, LONG), 128 + sent as i32);
        assert!(terminal.is_cooked(), "{sent}");
    }
    // Refused before anything runs: nothing was changed.
    let slave = terminal.slave.try_clone().unwrap();
    let mut command = case.jail(&["run", "-q", "--tty", "--", "/nonexistent"]);
    assert_code(&wait(command.stdin(slave).spawn().unwrap(), LONG), 127);
    assert!(terminal.is_cooked());
    case.assert_nothing_left();
    Ok(())
}

fn piped() -> Outcome {
    let case = Case::new();
    // With and without a line's end: within a line the first ^D only ends the line.
    for text in ["abc\n", "abc", ""] {
        let mut child = case
            .script(&["--tty"], "stty -echo; echo ready; cat; exit 6")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Until then the terminal would show what is typed.
        let mut ready = [0; 7];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        assert_eq!(&ready, b"ready\r\n");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = wait(child, LONG);
        assert_code(&output, 6);
        assert_eq!(stdout(&output).trim_end(), text.trim_end());
    }
    Ok(())
}

/// Each side writes while nobody reads it: a relay that blocks on one never serves the other.
fn much() -> Outcome {
    const LINES: usize = 6000;
    let case = Case::new();
    let mut child = case
        .script(&["--tty"], "stty -echo; echo ready; cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(line(child.stdout.as_mut().unwrap()).trim_end(), "ready");
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..LINES {
            input.write_all(&[b"a".repeat(70).as_slice(), b"\n"].concat()).unwrap();
        }
    });
    let output = wait(child, Duration::from_secs(30));
    writer.join().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output).matches('a').count(), 70 * LINES);
    Ok(())
}
