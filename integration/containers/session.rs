//! One session of JSON-RPC over stdin and stdout, as an MCP client holds it.

use crate::engines::text;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// For one answer: a container and an interpreter start before the first.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a session said.
pub struct Held {
    pub opened: Value,
    pub tools: Value,
    /// As asked; nothing where nothing was asked.
    pub answers: Vec<Option<Value>>,
    pub status: Option<i32>,
    pub bytes: usize,
}

struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    asked: u64,
    bytes: usize,
}

/// Opens, lists the tools, calls them in order, and closes.
pub fn hold(mut command: Command, calls: &[Option<(&str, Value)>]) -> Result<Held, String> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let stdin = child.stdin.take();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
    let mut stderr = child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).ok();
        text(&log)
    });
    let mut session = Session { child, stdin, lines, asked: 0, bytes: 0 };
    let held = session.talk(calls);
    if held.is_err() {
        session.child.kill().ok();
        session.child.wait().ok();
    }
    held.map_err(|why| {
        let log = log.join().unwrap_or_default();
        let end: Vec<&str> = log.lines().rev().take(6).collect();
        format!("{why}; stderr, last line first: {}", end.join(" / "))
    })
}

impl Session {
    fn talk(&mut self, calls: &[Option<(&str, Value)>]) -> Result<Held, String> {
        let opened = self.ask(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "jail-tests", "version": "1.0.0"},
            }),
        )?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        let tools = self.ask("tools/list", json!({}))?;
        let mut answers = Vec::new();
        for call in calls {
            answers.push(match call {
                Some((name, arguments)) => {
                    Some(self.ask("tools/call", json!({"name": name, "arguments": arguments}))?)
                }
                None => None,
            });
        }
        self.stdin = None;
        let status = self.end()?;
        Ok(Held { opened, tools, answers, status, bytes: self.bytes })
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{message}").map_err(|error| format!("it does not listen: {error}"))
    }

    /// The answer to this request; what it says of its own accord is passed over.
    fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .map_err(|error| format!("no answer to {method} {params}: {error}"))?;
            self.bytes += line.len() + 1;
            let message: Value =
                serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
            if message["id"] == id && message.get("method").is_none() {
                return Ok(message);
            }
        }
    }

    fn end(&mut self) -> Result<Option<i32>, String> {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Ok(status.code());
            }
            if std::time::Instant::now() > until {
                return Err("it did not end with its input".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
