//! The other life of this binary: what runs in the jail.

use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::time::TimeValLike;
use nix::unistd::{ForkResult, Pid, fork, pause, setsid};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub fn act(args: &[String]) -> ExitCode {
    let number = || args.get(1).and_then(|n| n.parse().ok()).expect("a number");
    match args[0].as_str() {
        "eat" => eat(number()),
        "fork" => forks(number()),
        "burn" => burn(Duration::from_millis(number())),
        "write" => {
            let most = args.get(2).and_then(|n| n.parse().ok()).expect("a number");
            let took = crate::disk::write(args[1].as_ref(), most).expect("written");
            say(&took.to_string());
        }
        "echo" => echo("ready"),
        "own-cgroup" => echo(std::fs::read_to_string("/proc/self/cgroup").expect("cgroup").trim()),
        "orphans" => {
            children(3);
            say("leaving");
            return ExitCode::from(7);
        }
        "stubborn" => {
            children(3);
            say("ready");
            pause();
        }
        other => panic!("there is no act `{other}`"),
    }
    ExitCode::SUCCESS
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("stdout");
}

/// Touches this many MiB.
fn eat(mebibytes: u64) {
    let mut held = Vec::new();
    for _ in 0..mebibytes {
        held.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
    say(&format!("ate {} MiB", held.len()));
}

/// Forks until it is refused, and ends what it made.
#[allow(unsafe_code)]
fn forks(most: u64) {
    let mut made: Vec<Pid> = Vec::new();
    let mut refused = String::new();
    for _ in 0..most {
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => loop {
                pause();
            },
            Ok(ForkResult::Parent { child }) => made.push(child),
            Err(errno) => {
                refused = format!(", then {errno:?}");
                break;
            }
        }
    }
    for child in &made {
        kill(*child, Signal::SIGKILL).expect("kill");
    }
    say(&format!("{} forks{refused}", made.len()));
}

/// Computes with two threads for this long: processor time and time, in microseconds.
fn burn(wall: Duration) {
    // Not what this process used before exec, to set the jail up.
    let before = used();
    let start = Instant::now();
    let spin = move || {
        while start.elapsed() < wall {
            std::hint::spin_loop();
        }
    };
    let other = std::thread::spawn(spin);
    spin();
    other.join().expect("the other thread");
    let wall = start.elapsed().as_micros();
    say(&format!("{} {wall}", used() - before));
}

fn used() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("rusage");
    usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
}

fn echo(first: &str) {
    say(first);
    for line in std::io::stdin().lock().lines() {
        say(&line.expect("a line"));
    }
}

/// Leaves the session, ignores SIGTERM, and makes children that do the same.
#[allow(unsafe_code)]
fn children(count: u32) {
    // SAFETY: SIG_IGN is no handler.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("ignore");
    for _ in 0..count {
        // SAFETY: this process has one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("fork") {
            // Only its leader may not: it has left by being born.
            assert!(matches!(setsid(), Ok(_) | Err(Errno::EPERM)));
            loop {
                pause();
            }
        }
    }
}
