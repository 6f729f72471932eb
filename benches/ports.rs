//! What `jail doctor ports` costs: 50,000 sockets and 5,000 processes, beside `ss -lntup`, in turn (A B A
//! B …), so that a machine that slows down slows both.
//!
//! ```text
//! make bench                      the static release build, as the present user
//! JAIL=… BENCH_ROUNDS=9 cargo bench --bench ports
//! ```
//!
//! Each process holds ten sockets: four that listen for TCP, two of UDP, and both ends of two connections.
//! All are on loopback, in a network namespace of the benchmark's own. `jail` judges them: nobody
//! registered them, so that 30,000 are found. Quote the median of the ratios.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

#[path = "support/mod.rs"]
#[allow(dead_code, reason = "it serves the other benchmarks too")]
mod support;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pause, pipe, read, write};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use support::{median, number, ratios};

const TCP: std::ops::Range<u16> = 8001..8005;
const UDP: std::ops::Range<u16> = 5001..5003;
const EACH: usize = 10;

fn main() {
    let jail = support::jail();
    let (processes, rounds) = (number("BENCH_PROCESSES", 5000), number("BENCH_ROUNDS", 7));
    enter();
    let holders: Vec<Pid> = start(processes);
    let folder = std::env::temp_dir().join(format!("jail-bench-ports-{}", std::process::id()));
    fs::create_dir_all(folder.join(".cloned")).unwrap();
    println!("jail {}", jail.display());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let a = time(Command::new(&jail).args(["doctor", "ports", "--json"]).current_dir(&folder));
        let b = time(Command::new("ss").arg("-lntup"));
        // The first reads files into memory.
        if round > 0 {
            ours.push(a);
            theirs.push(b);
        }
    }
    for pid in holders {
        kill(pid, Signal::SIGKILL).unwrap();
        waitpid(pid, None).unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
    println!(
        "{} sockets, {processes} processes, {rounds} rounds       min   median",
        processes * EACH
    );
    row("  jail doctor ports --json", "ms", &ours);
    row("  ss -lntup", "ms", &theirs);
    row("  ratio, round by round", "", &ratios(&ours, &theirs));
}

/// A network namespace with nothing but a loopback; it belongs to an ordinary user too.
fn enter() {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if !uid.is_root() {
        unshare(CloneFlags::CLONE_NEWUSER).expect("no user namespaces here");
        fs::write("/proc/self/setgroups", "deny").unwrap();
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).unwrap();
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).unwrap();
    }
    unshare(CloneFlags::CLONE_NEWNET).expect("no network namespaces here");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let up = rtnetlink::LinkUnspec::new_with_index(1).up().build();
        handle.link().change(up).execute().await.expect("no loopback");
    });
}

/// Processes that hold their sockets until they are killed, or this one ends.
fn start(processes: usize) -> Vec<Pid> {
    let (ready, made): (OwnedFd, OwnedFd) = pipe().unwrap();
    let mut holders = Vec::new();
    for process in 0..processes {
        // SAFETY: this program has one thread, so that nothing is locked in the child.
        #[allow(unsafe_code, reason = "a child that is not another program")]
        match unsafe { fork() }.expect("cannot fork") {
            ForkResult::Parent { child } => holders.push(child),
            ForkResult::Child => {
                jail::sys::process::die_with_parent().unwrap();
                let _held = sockets(process);
                write(&made, &[1]).unwrap();
                loop {
                    pause();
                }
            }
        }
        // One after the other: the backlog of so many would be long.
        read(&ready, &mut [0]).unwrap();
    }
    holders
}

fn sockets(process: usize) -> (Vec<TcpListener>, Vec<UdpSocket>, Vec<TcpStream>) {
    let [.., high, low] = u32::try_from(process).unwrap().to_be_bytes();
    let ip = Ipv4Addr::new(127, 1, high, low);
    let tcp: Vec<_> = TCP.map(|port| TcpListener::bind((ip, port)).unwrap()).collect();
    let udp = UDP.map(|port| UdpSocket::bind((ip, port)).unwrap()).collect();
    let mut connected = Vec::new();
    for listener in &tcp[..2] {
        connected.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        connected.push(listener.accept().unwrap().0);
    }
    (tcp, udp, connected)
}

/// Milliseconds until it has ended, well; what it prints is thrown away.
fn time(command: &mut Command) -> f64 {
    support::time(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn row(name: &str, unit: &str, values: &[f64]) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{name:<34} {least:9.3}  {:9.3} {unit}", median(values));
}
