//! The published MCP server asks for a host that no rule names, and its owner answers from a second process:
//! the call that failed succeeds, without a new session. `tests/clients/fetch_calls.py` makes the calls.

use super::super::owner::{approvals, pending};
use super::*;

pub fn scenario() -> Scenario {
    Scenario {
        name: "mcp_server_fetch_is_approved",
        missing: || fetch_server::missing_module("mcp_server_fetch"),
        check,
        ..Scenario::BASE
    }
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
    refused(&mut session)?;
    must(pending(&fixture)? == id, || "another id for the same".into())?;
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

/// The rule counts until its file is read, a moment later.
fn refused(session: &mut Session) -> Check {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = session.ask(URL)?;
        if said.starts_with("error:") {
            return Ok(());
        }
        must(Instant::now() < until, || format!("taken back, and {said}"))?;
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
