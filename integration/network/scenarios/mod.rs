//! What a jail's network does over time, with several jails, and with real clients. Each scenario has
//! a world of its own.

mod asks;
mod clients;
mod doors;
mod ends;
mod inject;
mod many;
mod owner;
mod ports;
mod published;
mod replaced;
mod soak;

pub use clients::stock;

use crate::fixture::Fixture;
use crate::harness::Attack;
use crate::requires::Need;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub type Check = Result<(), String>;

pub struct Scenario {
    pub name: &'static str,
    pub requires: &'static [Need],
    /// Why it cannot run here, as far as the machine is concerned: a missing program.
    pub missing: fn() -> Option<String>,
    pub check: fn() -> Check,
    /// A client that reaches the allowed host and no other, instead of the two above.
    pub client: Option<&'static clients::Client>,
}

impl Scenario {
    const BASE: Self = Self {
        name: "",
        requires: &[],
        missing: || None,
        check: || Err("nothing is checked".into()),
        client: None,
    };

    pub fn missing(&self) -> Option<String> {
        self.client.map_or_else(self.missing, clients::missing)
    }

    pub fn check(&self) -> Check {
        self.client.map_or_else(self.check, clients::check)
    }
}

pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(doors::all());
    all.extend(ends::all());
    all.extend(inject::all());
    all.extend(published::all());
    all.extend(ports::all());
    all.extend(owner::all());
    all.extend(replaced::all());
    all.extend(asks::all());
    all.extend(many::all());
    all.extend(soak::all());
    all.extend(clients::all());
    all
}

/// Folders and an environment for a jail.
fn fixture() -> Fixture {
    const NONE: Attack = Attack::BASE;
    Fixture::new(&NONE, true)
}

/// A client that does what it is told, in a jail or without.
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    errors: mpsc::Receiver<Vec<u8>>,
}

fn patience() -> Duration {
    crate::run::patience(30_000)
}

impl Session {
    fn jailed(fixture: &Fixture, options: &[&str]) -> Result<Self, String> {
        Self::start(fixture, options, &["talk"])
    }

    fn start(fixture: &Fixture, options: &[&str], client: &[&str]) -> Result<Self, String> {
        let me = std::env::current_exe().expect("my path").display().to_string();
        let mut command = fixture.jail(options);
        command.args(["--read", &me, "--", &me, "--client"]).args(client);
        Self::of(&mut command)
    }

    /// The same client without a jail.
    fn free() -> Result<Self, String> {
        let me = std::env::current_exe().expect("my path");
        Self::of(Command::new(me).args(["--client", "talk"]))
    }

    fn of(command: &mut Command) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a client");
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(send.send(line));
            }
        });
        let (send, errors) = mpsc::channel();
        let mut stderr = child.stderr.take().expect("stderr");
        std::thread::spawn(move || {
            let mut text = Vec::new();
            drop(std::io::Read::read_to_end(&mut stderr, &mut text));
            drop(send.send(text));
        });
        let stdin = child.stdin.take().expect("stdin");
        let mut session = Self { child, stdin, lines, errors };
        let first = session.line()?;
        if first == "ready" { Ok(session) } else { Err(format!("it began with {first}")) }
    }

    /// What it says next.
    fn line(&mut self) -> Result<String, String> {
        self.lines.recv_timeout(patience()).map_err(|_| {
            drop(self.child.kill());
            let status = self.child.wait();
            let text = self.errors.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
            format!("it said nothing; {status:?}\n{}", String::from_utf8_lossy(&text))
        })
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.stdin, "{order}").expect("it listens");
    }

    fn ask(&mut self, order: &str) -> Result<String, String> {
        self.tell(order);
        self.line()
    }

    /// Ends its input, and waits for it.
    fn end(self) -> Check {
        self.end_told().map(drop)
    }

    /// The same; what was told on stderr.
    fn end_told(mut self) -> Result<String, String> {
        drop(self.stdin);
        let status = wait(&mut self.child)?;
        must(status.success(), || format!("it ended with {status}"))?;
        let text = self.errors.recv_timeout(patience()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn wait(child: &mut Child) -> Result<std::process::ExitStatus, String> {
    let until = Instant::now() + patience();
    loop {
        match child.try_wait().expect("a child") {
            Some(status) => return Ok(status),
            None if Instant::now() > until => {
                drop(child.kill());
                return Err("it did not end".into());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(otherwise()) }
}

const ALL_DOORS: &str = "open [http connect socks direct] shut []";
