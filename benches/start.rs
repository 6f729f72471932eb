//! What a jail costs: `jail run -- true` beside bubblewrap with every namespace, the same seccomp filter
//! and the same binds, in turn (A B A B …), so that a machine that slows down slows both.
//!
//! ```text
//! make bench                      the static release build, as the present user
//! JAIL=… BENCH_PAIRS=200 cargo bench --bench start
//! ```
//!
//! Quote the median of the ratios: single times say more about the machine than about either program.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{Bwrap, jail_true, median, number, ratios, time};

fn main() {
    let jail = support::jail();
    let folder = std::env::temp_dir().join(format!("jail-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let bwrap = Bwrap::find(&folder).expect("bwrap is not installed");
    println!("jail {}, {}", jail.display(), bwrap.version);
    start(&jail, &bwrap);
    stdio(&jail);
    fs::remove_dir_all(&folder).unwrap();
}

/// `true` in both, in turn.
fn start(jail: &Path, bwrap: &Bwrap) {
    let pairs = number("BENCH_PAIRS", 100);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..pairs + 5 {
        let a = time(&mut jail_true(jail, &[]));
        let b = bwrap.time();
        // The first few read files into memory.
        if pair >= 5 {
            ours.push(a);
            theirs.push(b);
        }
    }
    println!("start of `true`, {pairs} pairs       min   median");
    row("  jail run", "ms", &ours);
    row("  bwrap, all namespaces, seccomp", "ms", &theirs);
    row("  ratio, pair by pair", "", &ratios(&ours, &theirs));
}

/// Round trips of 150 bytes through `cat`, jailed and not: the descriptors are inherited.
fn stdio(jail: &Path) {
    let mut jailed = Command::new(jail);
    jailed.args(["run", "-q", "--", "cat"]);
    let (a, b) = (round_trips(&mut jailed), round_trips(&mut Command::new("cat")));
    println!("150 bytes there and back through `cat`, {} times", a.len());
    row("  jailed", "ms", &a);
    row("  not jailed", "ms", &b);
    row("  ratio", "", &ratios(&a, &b));
}

fn round_trips(command: &mut Command) -> Vec<f64> {
    use std::io::{Read, Write};
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut buffer = [b'x'; 150];
    let times = (0..2200)
        .map(|_| {
            let begin = Instant::now();
            to.write_all(&buffer).unwrap();
            from.read_exact(&mut buffer).unwrap();
            begin.elapsed().as_secs_f64() * 1000.0
        })
        .skip(200)
        .collect();
    drop(to);
    child.wait().unwrap();
    times
}

fn row(name: &str, unit: &str, values: &[f64]) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{name:<34} {least:7.3}  {:7.3} {unit}", median(values));
}
