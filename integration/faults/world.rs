//! One run's place: folders of its own, what is given to the jail, and what must not be left of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a jail of these tests has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No way out, nothing of the host.
    Plain,
    /// A way out (to a name that does not exist; nothing is asked for), folders of the host, protected
    /// names, a secret in the environment and one in a file.
    Full,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Full => "full",
        }
    }
}

pub struct World {
    dir: TempDir,
    kind: Kind,
}

const MANIFEST: &str = "name: full
command: 'true'
filesystem:
  workspace: {host: WORK/project}
  read: [WORK/read]
  write: [WORK/write]
network:
  allow:
    - host: nowhere.invalid
secrets:
  - {name: one, from: {file: WORK/secret}, to: {env: ONE}}
  - {name: two, from: {file: WORK/secret}, to: {file: two}}
";

impl World {
    pub fn new(kind: Kind) -> Self {
        let dir = tempfile::Builder::new().prefix("faults-").tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["home", "run", "tmp", "work", "project/.git/hooks", "read", "write"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("secret"), "hush\n").unwrap();
        if kind == Kind::Full {
            fs::create_dir_all(at("work/.cloned/connectors")).unwrap();
            let manifest = MANIFEST.replace("WORK", dir.path().to_str().unwrap());
            fs::write(at("work/.cloned/connectors/full.yaml"), manifest).unwrap();
        }
        Self { dir, kind }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `jail run`, with stdout and stderr in files: a pipe would have to be read beside the tracer.
    pub fn command(&self) -> Command {
        let mut command = Command::new(jail_bin());
        let file = |name: &str| fs::File::create(self.path(name)).unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("home/state"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .args(["run", "-q"]);
        match self.kind {
            Kind::Plain => command.args(["--", "true"]),
            Kind::Full => command.arg("full"),
        };
        command
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("stderr")).unwrap_or_default()).into_owned()
    }

    /// What is still there although the run is over; processes are the tracer's business.
    pub fn left(&self) -> Option<String> {
        let files: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().flatten().collect();
        if !files.is_empty() {
            return Some(format!("files are left in TMPDIR: {files:?}"));
        }
        if fs::metadata(self.path("stdout")).is_ok_and(|stdout| stdout.len() > 0) {
            return Some("jail wrote to stdout".to_owned());
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        if mounts.contains(self.dir.path().to_str().unwrap()) {
            return Some("mounts are left".to_owned());
        }
        let groups = self.cgroups();
        (!groups.is_empty()).then(|| format!("cgroups are left: {groups:?}"))
    }

    /// Cgroups that carry the name of a run of this place.
    fn cgroups(&self) -> Vec<PathBuf> {
        let log = fs::read_to_string(self.path("home/state/jail/audit.log")).unwrap_or_default();
        let runs: Vec<String> = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|record| record["run"].as_str().map(str::to_owned))
            .collect();
        let mut found = Vec::new();
        folders(Path::new("/sys/fs/cgroup"), 6, &mut |folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if runs.iter().any(|run| name.contains(run.as_str())) {
                found.push(folder.to_owned());
            }
        });
        found
    }
}

fn folders(at: &Path, depth: u32, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&entry.path());
            folders(&entry.path(), depth - 1, visit);
        }
    }
}

pub fn jail_bin() -> PathBuf {
    std::env::var_os("JAIL").map_or_else(|| env!("CARGO_BIN_EXE_jail").into(), PathBuf::from)
}
