//! What the benchmarks have in common: the programs that are compared, and rows of numbers.
#![allow(clippy::expect_used, reason = "a benchmark")]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two starts: a client starts one connector at a time, not hundreds in a row, and the kernel
/// takes the namespaces of the one before down meanwhile.
const PAUSE: Duration = Duration::from_millis(15);

pub(crate) fn jail() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_jail"));
    let jail = std::env::var_os("JAIL").map_or(built, PathBuf::from);
    fs::canonicalize(&jail).unwrap_or(jail)
}

/// A number of the environment, such as `BENCH_PAIRS`.
pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

pub(crate) fn jail_true(jail: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(jail);
    command.args(["run", "-q"]).args(more).args(["--", "true"]);
    command
}

/// bubblewrap with every namespace, the seccomp filter of jail's default profile and the same binds.
pub(crate) struct Bwrap {
    pub(crate) version: String,
    folder: PathBuf,
    filter: PathBuf,
}

impl Bwrap {
    /// `None` where it is not installed. Keeps the filter in this folder.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let output = Command::new("bwrap").arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let filter = folder.join("filter.bpf");
        let program = jail::seccomp::built_in("default").expect("the default profile");
        fs::write(&filter, program).expect("cannot write the filter");
        Some(Self { version, folder: folder.to_owned(), filter })
    }

    /// How long `true` takes in it.
    pub(crate) fn time(&self) -> f64 {
        let filter = File::open(&self.filter).expect("the filter");
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--new-session", "--die-with-parent", "--hostname", "jail"]);
        command.args(["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]);
        command.args(["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]);
        command.args(["--symlink", "usr/sbin", "/sbin", "--proc", "/proc", "--dev", "/dev"]);
        command.args(["--tmpfs", "/tmp", "--bind"]).arg(&self.folder);
        command.args(["/ws", "--chdir", "/ws"]);
        command.args(["--cap-drop", "ALL", "--seccomp", "10", "--", "true"]);
        let fd = filter.as_raw_fd();
        // SAFETY: dup2 is fit for the time between fork and exec; the file outlives the child.
        #[allow(unsafe_code, reason = "bwrap takes its filter by descriptor")]
        unsafe {
            command.pre_exec(move || give_as_10(fd));
        }
        time(&mut command)
    }
}

fn give_as_10(fd: i32) -> std::io::Result<()> {
    // SAFETY: two integers; nobody owns 10 in a child that is about to exec.
    #[allow(unsafe_code, reason = "nix's dup2 wants an owner for the number")]
    match unsafe { libc::dup2(fd, 10) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Milliseconds until it has ended, well.
pub(crate) fn time(command: &mut Command) -> f64 {
    let begin = Instant::now();
    let status = command.stdin(Stdio::null()).status().expect("cannot start");
    let elapsed = begin.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    std::thread::sleep(PAUSE);
    elapsed.as_secs_f64() * 1000.0
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// One by one, as they were measured in turn.
pub(crate) fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(a, b)| a / b).collect()
}
