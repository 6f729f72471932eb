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

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two starts: a client starts one connector at a time, not hundreds in a row, and the kernel
/// takes the namespaces of the one before down meanwhile.
const PAUSE: Duration = Duration::from_millis(15);

fn main() {
    let jail = jail();
    let folder = std::env::temp_dir().join(format!("jail-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    println!("jail {}, {}", jail.display(), bwrap_version());
    start(&jail, &folder);
    stdio(&jail);
    fs::remove_dir_all(&folder).unwrap();
}

/// `true` in both, in turn.
fn start(jail: &Path, folder: &Path) {
    let filter = folder.join("filter.bpf");
    fs::write(&filter, jail::seccomp::built_in("default").expect("the default profile")).unwrap();
    let pairs = std::env::var("BENCH_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..pairs + 5 {
        let a = time(&mut jail_true(jail));
        let b = time(&mut bwrap_true(folder, &File::open(&filter).unwrap()));
        // The first few read files into memory.
        if pair >= 5 {
            ours.push(a);
            theirs.push(b);
        }
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
    println!("start of `true`, {pairs} pairs       min   median");
    row("  jail run", "ms", &ours);
    row("  bwrap, all namespaces, seccomp", "ms", &theirs);
    row("  ratio, pair by pair", "", &ratios);
}

/// Round trips of 150 bytes through `cat`, jailed and not: the descriptors are inherited.
fn stdio(jail: &Path) {
    let mut jailed = Command::new(jail);
    jailed.args(["run", "-q", "--", "cat"]);
    let (a, b) = (round_trips(&mut jailed), round_trips(&mut Command::new("cat")));
    let ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).collect();
    println!("150 bytes there and back through `cat`, {} times", a.len());
    row("  jailed", "ms", &a);
    row("  not jailed", "ms", &b);
    row("  ratio", "", &ratios);
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

fn jail_true(jail: &Path) -> Command {
    let mut command = Command::new(jail);
    command.args(["run", "-q", "--", "true"]);
    command
}

fn bwrap_true(folder: &Path, filter: &File) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--new-session", "--die-with-parent", "--hostname", "jail"]);
    command.args(["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]);
    command.args(["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]);
    command.args(["--symlink", "usr/sbin", "/sbin", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--tmpfs", "/tmp", "--bind"]).arg(folder).args(["/ws", "--chdir", "/ws"]);
    command.args(["--cap-drop", "ALL", "--seccomp", "10", "--", "true"]);
    let filter = filter.as_raw_fd();
    // SAFETY: dup2 is fit for the time between fork and exec; the file outlives the child.
    #[allow(unsafe_code, reason = "bwrap takes its filter by descriptor")]
    unsafe {
        command.pre_exec(move || give_as_10(filter));
    }
    command
}

fn give_as_10(fd: i32) -> std::io::Result<()> {
    // SAFETY: two integers; nobody owns 10 in a child that is about to exec.
    #[allow(unsafe_code, reason = "nix's dup2 wants an owner for the number")]
    match unsafe { libc::dup2(fd, 10) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn time(command: &mut Command) -> f64 {
    let begin = Instant::now();
    let status = command.stdin(Stdio::null()).status().expect("cannot start");
    let elapsed = begin.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    std::thread::sleep(PAUSE);
    elapsed.as_secs_f64() * 1000.0
}

fn row(name: &str, unit: &str, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    println!("{name:<34} {:7.3}  {:7.3} {unit}", sorted[0], sorted[sorted.len() / 2]);
}

fn jail() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_jail"));
    std::env::var_os("JAIL").map_or(built, PathBuf::from)
}

fn bwrap_version() -> String {
    let output = Command::new("bwrap").arg("--version").output().expect("bwrap is not installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
