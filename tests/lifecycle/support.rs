//! What every test needs: a folder of its own, the binary, and eyes on /proc.

use libtest_mimic::{Completion, Failed, Trial};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A test that passes, fails by panicking, or says why it cannot be done here.
pub(crate) type Outcome = Result<(), Skip>;

/// The reason of a skip.
pub(crate) struct Skip(pub(crate) String);

pub(crate) fn skip(why: impl Into<String>) -> Outcome {
    Err(Skip(why.into()))
}

/// A trial of the harness; a skip is counted and shown, or a failure where it was forbidden.
pub(crate) fn trial(name: &'static str, test: fn() -> Outcome) -> Trial {
    Trial::ignorable_test(name, move || match test() {
        Ok(()) => Ok(Completion::Completed),
        Err(Skip(why)) if std::env::var_os("JAIL_TEST_MUST_RUN").is_some_and(|v| v == "all") => {
            Err(Failed::from(format!("skipped, and JAIL_TEST_MUST_RUN=all forbids it: {why}")))
        }
        Err(Skip(why)) => {
            println!("skipped {name}: {why}");
            Ok(Completion::ignored_with(why))
        }
    })
}

/// The binary under test.
pub(crate) fn jail_bin() -> PathBuf {
    std::env::var_os("JAIL").map_or_else(|| env!("CARGO_BIN_EXE_jail").into(), PathBuf::from)
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// One test's place in the world.
pub(crate) struct Case {
    dir: TempDir,
    /// In the arguments and the environment of everything that this test starts.
    pub mark: String,
}

impl Case {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not in /tmp: some tests mount another one.
        let dir = tempfile::Builder::new().prefix("lifecycle-").tempdir_in("/var/tmp").unwrap();
        for name in ["home", "run", "tmp", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir, mark: format!("JAILMARK{}x{number}x", std::process::id()) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `jail` with these arguments, in the folder `work`, with an environment made from nothing.
    pub(crate) fn jail<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(jail_bin());
        self.surround(&mut command);
        let mut args = args.iter().map(AsRef::as_ref);
        let is_run = args.clone().next().is_some_and(|verb| verb == "run");
        let traced = args.clone().any(|arg| arg == "--trace" || arg == "--sandbox");
        if is_run && !traced && std::env::var_os("JAIL_TEST_TRACE").is_some() {
            command.args(args.next()).arg("--trace");
        }
        command.args(args);
        command
    }

    /// The same folder and environment for another program.
    pub(crate) fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("home/state"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .envs(bus().map(|bus| ("DBUS_SESSION_BUS_ADDRESS", bus)))
            .env("TMPDIR", self.path("tmp"))
            .env("MARK", &self.mark)
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
    }

    /// `jail run` with options, then a shell script; the mark is `$0` there, and in every child's
    /// environment.
    pub(crate) fn script(&self, options: &[&str], script: &str) -> Command {
        let mut args = vec!["run", "-q", "--env", "MARK"];
        args.extend(options);
        args.extend(["--", "sh", "-c", script, &self.mark]);
        self.jail(&args)
    }

    pub(crate) fn run(&self, options: &[&str], script: &str) -> Output {
        self.script(options, script).output().unwrap()
    }

    /// Writes a manifest into `work/.cloned`.
    pub(crate) fn manifest(&self, name: &str, text: &str) {
        let folder = self.path("work/.cloned/connectors");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.yaml")), format!("name: {name}\n{text}")).unwrap();
    }

    /// Every living process that carries the mark: pid and command line.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        marked(&self.mark)
    }

    /// The audit log of runs without a workspace.
    pub(crate) fn audit_log(&self) -> String {
        let log = files_below(&self.path("home/state"));
        let is_log = |path: &&PathBuf| path.ends_with("audit.log");
        log.iter().filter(is_log).filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    /// Waits until no process of this test is left and its temporary folder is empty.
    pub(crate) fn assert_nothing_left(&self) {
        let gone = within(Duration::from_secs(10), || self.processes().is_empty());
        assert!(gone, "processes are left: {:#?}", self.processes());
        let left = files_below(&self.path("tmp"));
        assert!(left.is_empty(), "files are left in TMPDIR: {left:?}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = self.dir.path().to_str().unwrap();
        assert!(!mounts.contains(ours), "mounts are left:\n{mounts}");
    }
}

/// systemd's, by which cgroups are delegated: XDG_RUNTIME_DIR is the test's own.
fn bus() -> Option<String> {
    let usual = format!("/run/user/{}/bus", nix::unistd::getuid());
    Path::new(&usual).exists().then(|| format!("unix:path={usual}"))
}

/// Every living process with this mark in its arguments or its environment.
pub(crate) fn marked(mark: &str) -> Vec<(i32, String)> {
    let own = std::process::id().cast_signed();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = read("environ");
        let marked = command.contains(mark) || contains(&environment, mark.as_bytes());
        if pid != own && marked {
            found.push((pid, command));
        }
    }
    found
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Every file, folder and socket below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_below(&entry.path()));
        }
    }
    found
}

/// How many times longer than a quiet machine needs to wait for what must come. A busy one is usual, one
/// that emulates sets more.
pub(crate) fn patience() -> u32 {
    let times = std::env::var("JAIL_TEST_PATIENCE");
    times.map_or(4, |text| text.parse().expect("JAIL_TEST_PATIENCE is a number"))
}

/// True as soon as the condition is, false when the time is over.
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit * patience();
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for a child with a limit; on timeout it is killed and the test fails.
pub(crate) fn wait(mut child: Child, limit: Duration) -> Output {
    let mut streams = (child.stdout.take(), child.stderr.take());
    let out = std::thread::spawn(move || drain(streams.0.as_mut().map(|s| s as &mut dyn Read)));
    let err = std::thread::spawn(move || drain(streams.1.as_mut().map(|s| s as &mut dyn Read)));
    let mut status = None;
    let ended = within(limit, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (stdout, stderr) = (out.join().unwrap(), err.join().unwrap());
    let Some(status) = status else {
        panic!(
            "it did not end within {limit:?}; stdout {:?}, stderr {:?}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
    };
    Output { status, stdout, stderr }
}

fn drain(stream: Option<&mut dyn Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// Reads one line of a child's output; the child must write it soon.
pub(crate) fn line(from: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 {
        if byte[0] == b'\n' {
            break;
        }
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

pub(crate) fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, signal).unwrap();
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts the exit code and shows everything if it is another.
pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{:?}\nstdout: {}\nstderr: {}",
        output.status,
        stdout(output),
        stderr(output)
    );
}

/// Asserts a refusal: the code, nothing on stdout, and these words on stderr.
pub(crate) fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    assert_code(output, code);
    assert_eq!(stdout(output), "", "jail wrote to stdout");
    for word in words {
        assert!(stderr(output).contains(word), "`{word}` is not in: {}", stderr(output));
    }
}
