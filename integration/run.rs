//! One run, jailed or as control: the command line, the wait, what came out.

use crate::fixture::Fixture;
use crate::harness::{Attack, Control, Outcome};
use crate::kit;
use crate::tier;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: &str = "JAIL_TEST_PATIENCE";

/// So long is waited on a machine like any other; `JAIL_TEST_PATIENCE=3` triples that where it is
/// emulated or busy.
pub fn patience(millis: u64) -> Duration {
    let factor = std::env::var(PATIENCE);
    let factor = factor.map_or(1, |text| text.parse().expect("JAIL_TEST_PATIENCE is a number"));
    // An engine takes as many times as long to start something.
    Duration::from_millis(millis) * factor * if tier::contained() { 4 } else { 1 }
}

impl Fixture {
    /// `jail run` with the fixture's environment.
    pub fn jail(&self, options: &[&str]) -> Command {
        let mut command = self.verb("run");
        command
            .arg("-q")
            .args(tier::options())
            .args(patient())
            .args(options.iter().map(|text| self.fill(text)));
        command
    }

    /// `jail VERB` with the fixture's environment.
    pub fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(jail_binary());
        command.arg(verb);
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
        let engine = tier::CONTAINER.get().map(|it| format!("{}:", it.bin.display()));
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command
            .env_clear()
            .env("PATH", engine.unwrap_or_default() + path)
            .env("HOME", self.at("home"))
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("XDG_STATE_HOME", self.at("state"))
            .envs(std::env::var_os(PATIENCE).map(|times| (PATIENCE, times)))
            .current_dir(self.at("cwd"));
    }

    fn command(&self, attack: &Attack) -> Command {
        let me = std::env::current_exe().expect("my path");
        let payload = self.payload.clone().unwrap_or(me.clone());
        let mut line: Vec<String> = self.wrapper.clone();
        if self.jailed {
            line.extend([jail_binary().display().to_string(), "run".into(), "-q".into()]);
            line.extend(tier::options());
            line.extend(patient().map(ToOwned::to_owned));
            if self.traced {
                line.push("--trace".into());
            }
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
        let until = Instant::now() + patience(20_000);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() > until => break None,
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
    let silence = patience(if endless { 100 } else { 500 });
    let mut bytes = Vec::new();
    while let Ok(piece) = from.recv_timeout(silence) {
        bytes.extend(piece);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// In the jail, too, an attack waits as long as its control.
fn patient() -> impl Iterator<Item = &'static str> {
    std::env::var_os(PATIENCE).map(|_| ["--env", PATIENCE]).into_iter().flatten()
}

/// `JAIL`, or beside this binary, or where cargo built it.
pub fn jail_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("JAIL") {
        return path.into();
    }
    let beside = std::env::current_exe().expect("my path").with_file_name("jail");
    if beside.is_file() { beside } else { Path::new(env!("CARGO_BIN_EXE_jail")).into() }
}
