//! A connector is refused, its owner answers with `jail approvals` from another process, and the same call
//! succeeds; or it does not.

use super::*;
use crate::world::REACHED;
use std::process::Output;

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a_second_process_approves_denies_and_takes_back",
            check: answers,
            ..Scenario::BASE
        },
        Scenario { name: "a_run_waits_for_its_port", check: waits, ..Scenario::BASE },
        Scenario { name: "a_run_is_refused_its_port", check: refused, ..Scenario::BASE },
    ]
}

/// `jail approvals`, and what it said.
pub(super) fn approvals(fixture: &Fixture, args: &[&str]) -> Result<String, String> {
    let output: Output = fixture.verb("approvals").args(args).output().expect("jail approvals");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("jail approvals {args:?}: {text}")),
    }
}

/// The id that a refusal names.
fn id(said: &str) -> Result<String, String> {
    let after = said.split("jail approvals approve ").nth(1).ok_or_else(|| said.to_owned())?;
    Ok(after.chars().take_while(char::is_ascii_alphanumeric).collect())
}

const GET: &str = "get allowed.test 80 /";

fn answers() -> Check {
    let fixture = fixture();
    let me = std::env::current_exe().expect("my path").display().to_string();
    fixture.write(
        "cwd/.cloned/connectors/asker.yaml",
        &format!(
            "name: asker\ncommand: {me}\nargs: [--client, talk]\nfilesystem:\n  read: [{me}]\n\
             network: {{unlisted: ask, hold: 1s}}\n"
        ),
    );
    let mut client = Session::of(fixture.jail(&[]).arg("asker"))?;
    let id = id(&client.ask(GET)?)?;
    let page = approvals(&fixture, &["show", &id])?;
    must(page.contains("allowed.test:80") && page.contains("pending"), || page.clone())?;
    let said = approvals(&fixture, &["approve", &id])?;
    must(said.contains("approved: allowed.test:80, for the connector asker, run "), || said)?;
    let said = client.ask(GET)?;
    must(said == "open", || format!("approved, and {said}"))?;
    // Taken back: as soon as the file is read, and it is asked for again.
    approvals(&fixture, &["revoke", &id])?;
    asked_again(&mut client, &id)?;
    approvals(&fixture, &["approve", &id, "--once"])?;
    let said = client.ask(GET)?;
    must(said == "open", || format!("approved once, and {said}"))?;
    let said = client.ask(GET)?;
    must(said.contains(&id), || format!("the second time: {said}"))?;
    approvals(&fixture, &["deny", &id, "--why", "not this one"])?;
    let said = client.ask(GET)?;
    must(said.contains("denied by"), || format!("denied, and {said}"))?;
    approvals(&fixture, &["revoke", &id])?;
    asked_again(&mut client, &id)?;
    let log = fixture.read("cwd/.cloned/audit.log");
    must(log.matches("\"kind\":\"decision\"").count() == 5, || log)?;
    drop(client.stdin);
    client.child.wait().map(drop).map_err(|error| error.to_string())
}

/// Until the connector is told that it has to be approved.
fn asked_again(client: &mut Session, id: &str) -> Check {
    let until = Instant::now() + patience();
    loop {
        let said = client.ask(GET)?;
        if said.contains(&format!("jail approvals approve {id}")) {
            return Ok(());
        }
        must(Instant::now() < until, || format!("taken back, and {said}"))?;
    }
}

/// A server whose port nobody has registered.
fn server(fixture: &Fixture, hold: &str) {
    let me = std::env::current_exe().expect("my path").display().to_string();
    fixture.write("cwd/.cloned/ports.yaml", "# Ours.\n");
    fixture.write(
        "cwd/.cloned/connectors/server.yaml",
        &format!(
            "name: server\ncommand: {me}\nargs: [--client, serve, \"3000\"]\nports:\n  \
             - listen: 3000\n    publish: 127.0.0.1:4000\nfilesystem:\n  read: [{me}]\n\
             network: {{unlisted: ask, hold: {hold}}}\n"
        ),
    );
}

/// The id of the one request that waits.
pub(super) fn pending(fixture: &Fixture) -> Result<String, String> {
    let until = Instant::now() + patience();
    while Instant::now() < until {
        if let Some(id) = waiting(fixture)? {
            return Ok(id);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("nobody was asked".into())
}

/// As [`pending`], now.
pub(super) fn waiting(fixture: &Fixture) -> Result<Option<String>, String> {
    let list = fixture.verb("approvals").args(["list", "--json"]).output().expect("jail");
    let list: serde_json::Value =
        serde_json::from_slice(&list.stdout).map_err(|error| error.to_string())?;
    Ok(list["requests"][0]["id"].as_str().map(str::to_owned))
}

fn waits() -> Check {
    let fixture = fixture();
    server(&fixture, "30s");
    let mut command = fixture.jail(&[]);
    command.arg("server");
    let (mut server, answered) = std::thread::scope(|scope| {
        let answer = scope.spawn(|| approvals(&fixture, &["approve", &pending(&fixture)?]));
        (Session::of(&mut command), answer.join().expect("no panic"))
    });
    let said = answered?;
    must(said.contains("approved: port 127.0.0.1:4000/tcp for server"), || said)?;
    let server = server.as_mut().map_err(|error| error.clone())?;
    let reply = super::published::published_reply(4000)?;
    must(crate::kit::contains(&reply, REACHED), || String::from_utf8_lossy(&reply).into_owned())?;
    server.child.kill().expect("it lives");
    server.child.wait().map(drop).map_err(|error| error.to_string())
}

fn refused() -> Check {
    let fixture = fixture();
    server(&fixture, "1s");
    let run = |fixture: &Fixture| {
        let output = fixture.jail(&[]).arg("server").output().expect("jail");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run(&fixture);
    must(code == Some(125) && text.contains("nobody answered within 1s"), || text.clone())?;
    let id = id(&text)?;
    // An answer that comes later counts for the next run.
    server(&fixture, "30s");
    let (ended, answered) = std::thread::scope(|scope| {
        let answer = scope.spawn(|| {
            // It was asked for twice: the second run waits.
            let until = Instant::now() + patience();
            while !approvals(&fixture, &["show", &id])?.contains("2 times") {
                must(Instant::now() < until, || "it did not ask again".into())?;
            }
            approvals(&fixture, &["deny", &id, "--why", "not ours"])
        });
        (run(&fixture), answer.join().expect("no panic"))
    });
    answered?;
    let (code, text) = ended;
    must(code == Some(125) && text.contains("denied by") && text.contains("not ours"), || text)
}
