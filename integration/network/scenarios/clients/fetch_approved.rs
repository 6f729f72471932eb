//! The published MCP server asks for a host that no rule names, and its owner answers from a second process,
//! or by the API: the call that failed succeeds, without a new session. (In the browser: `tests/console/`.) `tests/clients/fetch_calls.py` makes the calls.

use super::super::owner::{approvals, pending, waiting};
use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

pub fn scenarios() -> [Scenario; 2] {
    let missing = || fetch_server::missing_module("mcp_server_fetch");
    [
        Scenario { name: "mcp_server_fetch_is_approved", missing, check, ..Scenario::BASE },
        Scenario {
            name: "mcp_server_fetch_is_approved_by_the_api",
            missing: || {
                fetch_server::missing_module("mcp_server_fetch").or_else(in_a_user_namespace)
            },
            check: by_the_api,
            ..Scenario::BASE
        },
    ]
}

const URL: &str = "https://allowed.test/files/page.html";

fn check() -> Check {
    stock();
    let fixture = fixture();
    std::fs::create_dir_all(fixture.at("cwd/.cloned")).expect("a workspace");
    let mut session = Session::of(&mut command(&fixture))?;
    // Nobody answers: the call fails, and the session goes on.
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("not allowed, and {said}"))?;
    let id = pending(&fixture)?;
    approvals(&fixture, &["approve", &id])?;
    let said = session.ask(URL)?;
    must(said.contains(REACHED), || format!("approved, and {said}"))?;
    // Taken back: the same call fails again.
    approvals(&fixture, &["revoke", &id])?;
    refused(&mut session, &fixture, &id)?;
    // Held, and approved for one connection.
    session.tell(URL);
    approvals(&fixture, &["approve", &id, "--once"])?;
    let said = session.line()?;
    must(said.contains(REACHED), || format!("approved once, and {said}"))?;
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("a second time by --once: {said}"))?;
    approvals(&fixture, &["deny", &id, "--why", "not this one"])?;
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("denied, and {said}"))?;
    drop(session.stdin);
    session.child.wait().map(drop).map_err(|error| error.to_string())
}

/// The API lets in only whom it can look at, and this test's process has rights in its own namespace.
fn in_a_user_namespace() -> Option<String> {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mapped = map.split_whitespace().nth(1) != Some("0");
    (mapped || !nix::unistd::geteuid().is_root())
        .then(|| "as root alone: the API cannot look at a process with rights of its own".into())
}

fn by_the_api() -> Check {
    stock();
    let fixture = fixture();
    std::fs::create_dir_all(fixture.at("cwd/.cloned")).expect("a workspace");
    let mut api = Api::start(&fixture)?;
    let mut session = Session::of(&mut command(&fixture))?;
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("not allowed, and {said}"))?;
    let id = pending(&fixture)?;
    let path = format!("/v1/approvals/{id}");
    api.post(&format!("{path}/answer"), &answer("approve", "session"))?;
    let said = session.ask(URL)?;
    must(said.contains(REACHED), || format!("approved, and {said}"))?;
    api.post(&format!("{path}/revoke"), "{}")?;
    refused(&mut session, &fixture, &id)?;
    // Held, and approved for one connection.
    session.tell(URL);
    api.post(&format!("{path}/answer"), &answer("approve", "once"))?;
    let said = session.line()?;
    must(said.contains(REACHED), || format!("approved once, and {said}"))?;
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("a second time by once: {said}"))?;
    api.post(&format!("{path}/answer"), &answer("deny", "session"))?;
    let said = session.ask(URL)?;
    must(said.starts_with("error:"), || format!("denied, and {said}"))?;
    drop(session.stdin);
    session.child.wait().map_err(|error| error.to_string())?;
    api.stop()
}

fn answer(verdict: &str, lifetime: &str) -> String {
    format!(r#"{{"verdict":"{verdict}","lifetime":{{"for":"{lifetime}"}},"scope":"connector"}}"#)
}

/// `jail api`, on its unix socket.
struct Api {
    child: std::process::Child,
    socket: String,
}

impl Api {
    fn start(fixture: &Fixture) -> Result<Self, String> {
        let mut command = fixture.verb("api");
        let mut child =
            command.arg("--json").stdout(Stdio::piped()).spawn().map_err(|it| it.to_string())?;
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        out.read_line(&mut line).map_err(|error| error.to_string())?;
        let serving: serde_json::Value =
            serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        let socket = serving["unix"].as_str().ok_or_else(|| line.clone())?.to_owned();
        Ok(Self { child, socket })
    }

    fn post(&mut self, path: &str, body: &str) -> Check {
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let exchange = || {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.write_all(text.as_bytes())?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            std::io::Result::Ok(said)
        };
        let said = exchange().map_err(|error| format!("{path}: {error}"))?;
        must(said.starts_with("HTTP/1.1 200 "), || format!("{path}: {said}"))
    }

    fn stop(&mut self) -> Check {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .map_err(|e| e.to_string())?;
        let status = self.child.wait().map_err(|error| error.to_string())?;
        must(status.success(), || format!("jail api ended with {status}"))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // A scenario that failed has not stopped it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Its owner is asked again. The rule counts until its file is read, a moment later; a call that is under way
/// then is cut, and asks for nothing.
fn refused(session: &mut Session, fixture: &Fixture, id: &str) -> Check {
    let until = Instant::now() + patience() * 3;
    loop {
        let said = session.ask(URL)?;
        let waits = waiting(fixture)?;
        if said.starts_with("error:") && waits.is_some() {
            return must(waits.as_deref() == Some(id), || "another id for the same".into());
        }
        must(Instant::now() < until, || format!("taken back, and {said}; {waits:?}"))?;
    }
}

/// The client, and the server in a jail.
fn command(fixture: &Fixture) -> Command {
    let python = venv().join("bin/python");
    let venv = venv().display().to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/fetch_calls.py");
    let mut command = Command::new(&python);
    command.arg(script).arg(crate::run::jail_binary());
    command.args(["run", "-q", "--unlisted", "ask", "--read", &venv]);
    command.args([
        "--env",
        &format!("SSL_CERT_FILE={TRUST}"),
        "--env",
        &format!("PATH={venv}/bin"),
    ]);
    command.arg("--").arg(&python).args(["-m", "mcp_server_fetch", "--ignore-robots-txt"]);
    command.env_clear().env("SSL_CERT_FILE", TRUST).env("HOME", fixture.at("home"));
    command.env("PATH", format!("{venv}/bin")).env("XDG_STATE_HOME", fixture.at("state"));
    command.env("XDG_RUNTIME_DIR", fixture.at("run")).current_dir(fixture.at("cwd"));
    command
}
