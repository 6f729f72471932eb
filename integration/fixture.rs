//! The host side of one run: a folder, a secret, neighbours, listeners; and the run itself.

use crate::harness::{Attack, Control, Outcome};
use crate::kit;
use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(20);

type Hook = Box<dyn Fn(&mut Command) + Send + Sync>;

pub struct Fixture {
    dir: tempfile::TempDir,
    pub jailed: bool,
    pub secret: String,
    values: BTreeMap<String, String>,
    /// Changes the command that is started: descriptors, limits, folder. The same for both runs.
    pub hooks: Vec<Hook>,
    /// Started around the command.
    pub wrapper: Vec<String>,
    /// Where the output is read from, instead of a pipe.
    pub terminal: Option<OwnedFd>,
    pub output_file: Option<PathBuf>,
    /// The binary of the payload, instead of this one.
    pub payload: Option<PathBuf>,
    pub keep: Vec<Box<dyn Any + Send + Sync>>,
    children: Vec<Child>,
}

impl Fixture {
    pub fn new(attack: &Attack, jailed: bool) -> Self {
        let dir =
            tempfile::Builder::new().prefix("jail-escapes-").tempdir().expect("a temp folder");
        let unique = dir.path().file_name().expect("a name").to_string_lossy().into_owned();
        let mut fixture = Self {
            secret: format!("SECRET-{unique}"),
            dir,
            jailed,
            values: BTreeMap::new(),
            hooks: Vec::new(),
            wrapper: Vec::new(),
            terminal: None,
            output_file: None,
            payload: None,
            keep: Vec::new(),
            children: Vec::new(),
        };
        for folder in ["home/.ssh", "cwd", "run", "state", "outside"] {
            fs::create_dir_all(fixture.at(folder)).expect("a folder");
        }
        fixture.write("home/.ssh/id_rsa", &fixture.secret.clone());
        fixture.set("jailed", if jailed { "1" } else { "0" });
        // The secret itself is not told to the jail; this part of it is enough to know it by.
        fixture.set("marker", &unique);
        (attack.setup)(&mut fixture);
        fixture
    }

    /// A path of the fixture on the host.
    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// A value that the attack gets and that `{name}` stands for in the options.
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// The host path of a fixture path, as a value.
    pub fn set_path(&mut self, name: &str, path: &str) {
        let path = self.at(path).display().to_string();
        self.set(name, &path);
    }

    /// A workspace of the host: `{host_ws}` for the options, `ws` for the attack.
    pub fn workspace(&mut self) -> PathBuf {
        fs::create_dir_all(self.at("ws")).expect("a workspace");
        self.set_path("host_ws", "ws");
        let ws =
            if self.jailed { "/workspace".into() } else { self.at("ws").display().to_string() };
        self.set("ws", &ws);
        self.at("ws")
    }

    /// Starts a neighbour that lives as long as the fixture.
    pub fn neighbour(&mut self, command: &mut Command) -> u32 {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().expect("a neighbour");
        let pid = child.id();
        self.children.push(child);
        pid
    }

    pub fn hook(&mut self, hook: impl Fn(&mut Command) + Send + Sync + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// `jail run` with the fixture's environment.
    pub fn jail(&self, options: &[&str]) -> Command {
        let mut command = Command::new(jail_binary());
        command.args(["run", "-q"]).args(options.iter().map(|text| self.fill(text)));
        self.surround(&mut command);
        command
    }

    pub fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.values.iter().fold(text.to_owned(), fill)
    }

    fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.at("home"))
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("XDG_STATE_HOME", self.at("state"))
            .current_dir(self.at("cwd"));
    }

    fn command(&self, attack: &Attack) -> Command {
        let me = std::env::current_exe().expect("my path");
        let payload = self.payload.clone().unwrap_or(me.clone());
        let mut line: Vec<String> = self.wrapper.clone();
        if self.jailed {
            line.extend([jail_binary().display().to_string(), "run".into(), "-q".into()]);
            line.extend(["--read".into(), payload.display().to_string()]);
            line.extend(attack.jail_args.iter().map(|text| self.fill(text)));
            line.push("--".into());
        }
        line.extend([payload.display().to_string(), "--attack".into(), attack.name.into()]);
        line.extend(self.values.iter().map(|(name, value)| format!("{name}={value}")));
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        self.surround(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !self.jailed && matches!(attack.control, Control::Userns) {
            let more =
                libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
            unsafe { command.pre_exec(move || kit::new_userns(more)) };
        }
        self.hooks.iter().for_each(|hook| hook(&mut command));
        command
    }

    pub fn run(&self, attack: &Attack) -> Outcome {
        let mut command = self.command(attack);
        let mut child = command.spawn().expect("the command");
        drop(command);
        let pid = child.id();
        let output = match &self.terminal {
            Some(master) => drain(fs::File::from(master.try_clone().expect("the terminal"))),
            None => child.stdout.take().map_or_else(|| drain(std::io::empty()), drain),
        };
        let errors = child.stderr.take().map_or_else(|| drain(std::io::empty()), drain);
        if let Some(during) = attack.during {
            during(self, pid);
        }
        let started = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if started.elapsed() > TIMEOUT => break None,
                _ => std::thread::sleep(Duration::from_millis(4)),
            }
        };
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut output = collect(&output, self.terminal.is_some());
        if let Some(path) = &self.output_file {
            output = fs::read_to_string(path).unwrap_or_default();
        }
        Outcome {
            code: status.and_then(|status| status.code()),
            verdict: verdict(&output),
            output,
            errors: collect(&errors, false),
            timed_out: status.is_none(),
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn verdict(output: &str) -> Option<(String, String)> {
    let line = output.lines().rev().find(|line| line.starts_with("{\"evidence\""))?;
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some((value["verdict"].as_str()?.to_owned(), value["evidence"].as_str()?.to_owned()))
}

/// Reads in a thread, so that an orphan that keeps the pipe cannot hold the test.
fn drain(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 || send.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receive
}

fn collect(from: &mpsc::Receiver<Vec<u8>>, endless: bool) -> String {
    let patience = Duration::from_millis(if endless { 100 } else { 500 });
    let mut bytes = Vec::new();
    while let Ok(piece) = from.recv_timeout(patience) {
        bytes.extend(piece);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `JAIL_BIN`, or beside this binary, or where cargo built it.
pub fn jail_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("JAIL_BIN") {
        return path.into();
    }
    let beside = std::env::current_exe().expect("my path").with_file_name("jail");
    if beside.is_file() { beside } else { Path::new(env!("CARGO_BIN_EXE_jail")).into() }
}
