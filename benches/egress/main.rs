//! What the way out of a jail costs: bytes, requests and starts, each beside the same without a proxy
//! and beside other proxies, in turn (A B A B …), so that a machine that slows down slows all.
//!
//! ```text
//! make bench                      the static release build, as the present user
//! JAIL=… BENCH_ROUNDS=9 cargo bench --bench egress
//! ```
//!
//! Everything takes place in network namespaces of the benchmark's own ([`world`]); no packet leaves
//! them. Quote the ratios: they are medians over rounds in which each way had its turn.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

mod client;
mod parts;
mod rivals;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;

use jail::egress::config::{HTTP_PORT, PROXY_V4, SOCKS_PORT};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The hidden argument with which this program is the client.
const CLIENT: &str = "--client";

fn main() {
    if std::env::args().any(|argument| argument == CLIENT) {
        return client::main();
    }
    let folder = std::env::temp_dir().join(format!("jail-bench-egress-{}", std::process::id()));
    fs::create_dir_all(folder.join(".cloned/connectors")).unwrap();
    world::enter(&folder);
    let jail = support::jail();
    println!("jail {}", jail.display());
    {
        let mut bare = Client::start(Command::new(std::env::current_exe().unwrap()).arg(CLIENT));
        let mut jailed = Client::start(&mut connector(&jail, &folder));
        parts::bulk(&mut bare, &mut jailed);
        parts::requests(&mut bare, &mut jailed, &folder);
        parts::load(&mut jailed);
    }
    parts::start(&jail, &folder);
    fs::remove_dir_all(&folder).unwrap();
}

/// Doors of the jail, as the client calls them.
fn http_door(kind: &str) -> String {
    format!("{kind}@{PROXY_V4}:{HTTP_PORT}")
}

fn socks_door() -> String {
    format!("socks@{PROXY_V4}:{SOCKS_PORT}")
}

/// This program in a jail, with a rule for the server's ports.
fn connector(jail: &Path, folder: &Path) -> Command {
    let program = std::env::current_exe().unwrap();
    // As many processors as there are: the client outside has all of them, too.
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let manifest = format!(
        "name: bench\ncommand: {}\nargs: [{CLIENT}]\nlimits: {{cpus: {cpus}}}\n\
         allow_missing: [memory, cpus, pids, io, landlock]\nnetwork:\n  allow:\n    \
         - {{host: \"{name}:{http}\"}}\n    - {{host: \"{name}:{bulk}\", raw: true}}\n",
        program.display(),
        name = server::NAME,
        http = server::HTTP,
        bulk = server::BULK,
    );
    fs::write(folder.join(".cloned/connectors/bench.yaml"), manifest).unwrap();
    let mut command = Command::new(jail);
    command.args(["run", "-q", "bench"]).current_dir(folder);
    command
}

/// A process that makes connections, in a jail or not.
pub(crate) struct Client {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    fn start(command: &mut Command) -> Self {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cannot start");
        let (to, from) = (process.stdin.take(), process.stdout.take().unwrap());
        Self { process, to, from: BufReader::new(from) }
    }

    /// What came of an order, as numbers.
    fn tell(&mut self, order: &str) -> Vec<f64> {
        writeln!(self.to.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        match numbers {
            Ok(numbers) if !numbers.is_empty() => numbers,
            _ => panic!("`{order}` gave: {line}"),
        }
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.to = None;
        // It ends with its input.
        drop(self.process.wait());
    }
}
