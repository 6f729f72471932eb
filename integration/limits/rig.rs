//! Starting `jail run`, and looking at it from the host.

use jail::confine::cgroup::{Controllers, How, Support};
use libtest_mimic::Failed;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// An emulated machine beside others is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many times longer than usual to wait: for machines that emulate, or are busy.
pub fn patience() -> u32 {
    let times = std::env::var("JAIL_TEST_PATIENCE");
    times.map_or(1, |text| text.parse().expect("JAIL_TEST_PATIENCE is a number"))
}
/// Nobody: what root becomes to have no delegation.
const NOBODY: u32 = 65534;
/// What tells a jail where the user's bus is.
const BUS: [&str; 2] = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// A folder with a HOME, a state folder and a working folder.
pub struct Rig(tempfile::TempDir);

/// A run that has ended.
pub struct Done {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
    pub report: Value,
    /// The audit records of this run, oldest first.
    pub events: Vec<Value>,
}

/// What a failed test needs of it, without the long lists.
impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut report = self.report.clone();
        if let Some(fields) = report.as_object_mut() {
            fields.retain(|name, _| !["proof", "stages"].contains(&name.as_str()));
        }
        let events = self.events.iter().filter(|event| event["kind"] != "applied");
        let events: Vec<String> = events.map(Value::to_string).collect();
        write!(f, "code {:?}\nstdout: {}\nstderr: {}\n", self.code, self.output, self.errors)?;
        write!(f, "report: {report}\naudit: {}", events.join("\n       "))
    }
}

pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    report: PathBuf,
    log: PathBuf,
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("limits-").tempdir().expect("a temp folder");
        for name in ["home", "state", "cwd"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        Self(dir)
    }

    fn command(&self, options: &[&str], act: &[&str]) -> (Command, PathBuf) {
        let at = |name: &str| self.0.path().join(name);
        let me = std::env::current_exe().expect("my path");
        let report = (0..).map(|n| at(&format!("state/report-{n}"))).find(|path| !path.exists());
        let report = report.expect("a name");
        // Taken, so that two at once have one each.
        fs::write(&report, "").expect("a report file");
        let mut command = Command::new(jail_binary());
        command.args(["run", "--report", "json", "--report-file"]).arg(&report);
        command.args(sandbox()).arg("--read").arg(&me).args(options);
        command.arg("--").arg(&me).arg("--act").args(act);
        self.surround(&mut command);
        (command, report)
    }

    fn surround(&self, command: &mut Command) {
        let at = |name: &str| self.0.path().join(name);
        let kept: Vec<_> = BUS.iter().filter_map(|n| Some((n, std::env::var_os(n)?))).collect();
        command.env_clear().envs(kept).env("PATH", "/usr/bin:/bin");
        command.env("HOME", at("home")).env("XDG_STATE_HOME", at("state"));
        command.current_dir(at("cwd"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    fn spawn(&self, (mut command, report): (Command, PathBuf)) -> Running {
        let mut child = command.spawn().expect("jail");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        Running { child, stdin, stdout, report, log: self.0.path().join("state/jail/audit.log") }
    }

    pub fn start(&self, options: &[&str], act: &[&str]) -> Running {
        self.spawn(self.command(options, act))
    }

    pub fn run(&self, options: &[&str], act: &[&str]) -> Done {
        self.start(options, act).end()
    }

    /// The connector `disk` by its manifest.
    pub fn run_manifest(&self, text: &str) -> Done {
        let folder = self.0.path().join("cwd/.cloned/connectors");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("disk.yaml"), text).expect("a manifest");
        let report = self.0.path().join("state/report");
        let mut command = Command::new(jail_binary());
        command.args(["run", "--report", "json", "--report-file"]).arg(&report);
        command.args(sandbox()).arg("disk");
        self.surround(&mut command);
        self.spawn((command, report)).end()
    }

    /// As somebody to whom nothing is delegated; see [`undelegated`].
    pub fn run_undelegated(&self, options: &[&str], act: &[&str]) -> Done {
        let (mut command, report) = self.command(options, act);
        BUS.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env(BUS[0], self.0.path().join("no-bus"));
        if nix::unistd::geteuid().is_root() {
            let mut all = vec![self.0.path().to_path_buf()];
            while let Some(path) = all.pop() {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("chown");
                if path.is_dir() {
                    let entries = fs::read_dir(&path).expect("readdir");
                    all.extend(entries.map(|entry| entry.expect("an entry").path()));
                }
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        self.spawn((command, report)).end()
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the connector; what jail said where there is none.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("stdout");
        if line.is_empty() {
            let mut errors = String::new();
            self.child.stderr.take().expect("once").read_to_string(&mut errors).expect("stderr");
            panic!("no line came: {errors}");
        }
        line.trim_end().to_owned()
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("open"), "{line}").expect("stdin");
    }

    /// Closes its stdin and waits for it.
    pub fn end(mut self) -> Done {
        drop(self.stdin.take());
        let mut output = String::new();
        self.stdout.read_to_string(&mut output).expect("stdout");
        let mut errors = String::new();
        self.child.stderr.take().expect("stderr").read_to_string(&mut errors).expect("stderr");
        let code = self.child.wait().expect("wait").code();
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let report = serde_json::from_str(&read(&self.report)).unwrap_or(Value::Null);
        let log = read(&self.log);
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events: Vec<Value> = events.map(|mut record| record["event"].take()).collect();
        // Its own: the run that ended last is the last that was written.
        let run = events.iter().rev().find(|event| event["kind"] == "run-end");
        let run = run.map(|event| event["run"].clone());
        let events = events.into_iter().filter(|event| Some(&event["run"]) == run.as_ref());
        Done { code, output, errors, report, events: events.collect() }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// init and all its children.
    pub fn family(&self) -> Vec<u32> {
        let all: Vec<(u32, u32)> = fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, parent(pid)?)))
            .collect();
        let mut found = vec![self.pid()];
        let mut at = 0;
        while at < found.len() {
            let of = found[at];
            found.extend(all.iter().filter(|(_, up)| *up == of).map(|(pid, _)| *pid));
            at += 1;
        }
        found.split_off(1)
    }

    /// The cgroup that init is in.
    pub fn leaf(&self, support: &Support) -> PathBuf {
        let init = *self.family().first().expect("init");
        let leaf = cgroup_of(support, init).expect("a cgroup");
        let name = leaf.file_name().expect("a name").to_string_lossy();
        assert!(name.starts_with("jail-"), "{}", leaf.display());
        leaf
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // For a test that fails; otherwise it has ended. One that is killed leaves its cgroup behind.
        drop(self.stdin.take());
        if !eventually(|| !matches!(self.child.try_wait(), Ok(None))) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

impl Done {
    /// The one audit record of this kind.
    pub fn audit(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.events.iter().filter(|event| event["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {self:?}");
        found[0]
    }
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Not gone, and not a zombie that waits for its parent.
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| !text.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

pub fn procs(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).expect("cgroup.procs");
    text.lines().map(|line| line.parse().expect("a pid")).collect()
}

pub fn cgroup_of(support: &Support, pid: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(support.mount.as_ref()?.join(path))
}

pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE * patience();
    while Instant::now() < until {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// No cgroup of a run is there. systemd removes a scope some time after its last process.
pub fn nothing_left(support: &Support) -> Result<(), Failed> {
    let mount = support.mount.as_deref().expect("mounted");
    let own = |path: &Path| {
        fs::metadata(path).is_ok_and(|meta| {
            let me = nix::unistd::geteuid().as_raw();
            me == 0 || meta.uid() == me
        })
    };
    if eventually(|| !left(mount).iter().any(|path| own(path))) {
        return Ok(());
    }
    Err(format!("left behind: {:?}", left(mount)).into())
}

fn left(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "jail" || (name.starts_with("jail-") && name != "jail-supervisors") {
            found.push(entry.path());
        } else {
            found.extend(left(&entry.path()));
        }
    }
    found
}

/// Can [`Rig::run_undelegated`] be what its name says? Root becomes nobody; another user must be in a
/// cgroup that is not delegated, and is kept from the user manager.
pub fn undelegated() -> Result<(), String> {
    if nix::unistd::geteuid().is_root() {
        let open = |path: &Path| {
            fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o5 == 0o5)
        };
        for binary in [jail_binary(), std::env::current_exe().expect("my path")] {
            if !binary.ancestors().all(open) {
                return Err(format!("only root can run {}", binary.display()));
            }
        }
        return Ok(());
    }
    match Support::probe(&Controllers::new()).how {
        How::OwnDelegated => Err("this cgroup is delegated to this user".into()),
        _ => Ok(()),
    }
}

/// Is the weaker tier tried? `JAIL_TEST_SANDBOX=landlock`, as for the escape suite.
pub fn tier() -> bool {
    std::env::var("JAIL_TEST_SANDBOX").is_ok_and(|word| word == "landlock")
}

fn sandbox() -> Option<&'static str> {
    tier().then_some("--sandbox=landlock")
}

/// `JAIL`, or beside this binary, or what cargo built.
fn jail_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("JAIL") {
        return path.into();
    }
    let beside = std::env::current_exe().expect("my path").with_file_name("jail");
    if beside.is_file() { beside } else { Path::new(env!("CARGO_BIN_EXE_jail")).into() }
}
