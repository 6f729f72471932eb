//! Hosts that no rule names: held while the owner is asked, by every door, and what becomes of the answers.

use super::clients;
use super::*;
use crate::world;
use jail::approvals::{self, Answer, Filter, Lifetime, Request, Scope, Standing, Verdict, Via};
use jail::policy::load::WorkspaceRoot;
use jail::state::{PATIENCE as FOR_LOCKS, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

pub fn all() -> Vec<Scenario> {
    let client = |name, missing: fn() -> Option<String>, check: fn() -> Check| Scenario {
        name,
        missing,
        check,
        ..Scenario::BASE
    };
    let plain = |name, check: fn() -> Check| client(name, || None, check);
    vec![
        plain("held_until_it_is_approved", approved),
        plain("held_until_it_is_denied", denied),
        plain("unanswered_says_what_would_approve_it", unanswered),
        plain("once_is_one_connection", once),
        plain("an_answer_that_is_taken_back_cuts", revoked),
        plain("an_answer_ends_at_its_time", until),
        plain("an_answer_for_one_run_is_for_no_other", other_run),
        plain("a_flood_of_hosts_is_bounded", flood),
        plain("what_is_no_host_is_no_request", nonsense),
        plain("a_locked_database_delays_and_loses_nothing", locked),
        plain("asking_needs_a_workspace", nobody),
        client("held_curl", || missing("curl_https"), || held("curl_https")),
        client("held_curl_bare", || missing("curl_https_bare"), || held("curl_https_bare")),
        client("held_python", || missing("python_urllib"), || held("python_urllib")),
        client("held_node", || missing("node_fetch_bare"), || held("node_fetch_bare")),
        client("held_go", || missing("go_cgo0_bare"), || held("go_cgo0_bare")),
    ]
}

const DOORS: [&str; 4] = ["http", "connect", "socks", "direct"];

/// A workspace and whoever answers in it.
struct Owner {
    root: WorkspaceRoot,
    state: State,
}

impl Owner {
    fn of(fixture: &Fixture) -> Self {
        let root = WorkspaceRoot { path: fixture.at("cwd") };
        std::fs::create_dir_all(root.path.join(".cloned")).expect("a folder");
        let state = State::open(&root, FOR_LOCKS).expect("a database");
        Self { root, state }
    }

    fn pending(&self) -> Vec<Request> {
        let filter = Filter { standing: Some(Standing::Pending), connector: None };
        approvals::list(&self.state, &filter).expect("the requests")
    }

    fn answer(&mut self, request: &Request, verdict: Verdict, lifetime: Lifetime) {
        let answer = answer(verdict, lifetime);
        approvals::answer(&mut self.state, &request.id, answer).expect("an answer");
        approvals::apply(&mut self.state, &self.root, None).expect("it is applied");
    }

    fn revoke(&mut self, request: &Request) {
        let answer = answer(Verdict::Revoke, Lifetime::Always);
        approvals::revoke(&mut self.state, &request.id, answer).expect("an answer");
        approvals::apply(&mut self.state, &self.root, None).expect("it is applied");
    }

    /// The next request that waits.
    fn asked(&self) -> Result<Request, String> {
        let until = Instant::now() + patience();
        while Instant::now() < until {
            if let Some(request) = self.pending().pop() {
                return Ok(request);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("nobody was asked".into())
    }

    /// Answers whatever is asked until the client says something.
    fn until_said(
        &mut self,
        client: &mut Session,
        verdict: Verdict,
        lifetime: Lifetime,
    ) -> Result<String, String> {
        let until = Instant::now() + patience();
        loop {
            for request in self.pending() {
                self.answer(&request, verdict, lifetime);
            }
            match client.lines.recv_timeout(Duration::from_millis(5)) {
                Ok(line) => return Ok(line),
                Err(_) if Instant::now() < until => {}
                Err(_) => return client.line(),
            }
        }
    }
}

fn answer(verdict: Verdict, lifetime: Lifetime) -> Answer {
    let (by, why, run) = ("ann".into(), None, None);
    Answer { verdict, lifetime, scope: Scope::Connector, by, via: Via::Cli, why, run }
}

/// A client that waits longer than anything is held, by a manifest.
fn asking(fixture: &Fixture, hold: &str, more: &str) -> Result<Session, String> {
    let me = std::env::current_exe().expect("my path").display().to_string();
    fixture.write(
        "cwd/.cloned/connectors/asker.yaml",
        &format!(
            "name: asker\ncommand: {me}\nargs: [--client, talk]\nfilesystem:\n  read: [{me}]\n\
             limits:\n  pids: 200\nallow_missing: [pids]\nnetwork:\n  unlisted: ask\n  hold: {hold}\n{more}"
        ),
    );
    let mut client = Session::of(fixture.jail(&[]).arg("asker"))?;
    let said = client.ask("patient 30")?;
    must(said == "patient", || said)?;
    Ok(client)
}

fn policy(fixture: &Fixture) -> String {
    std::fs::read_to_string(fixture.at("cwd/.cloned/policy/firewall.yaml")).unwrap_or_default()
}

fn approved() -> Check {
    for door in DOORS {
        let fixture = fixture();
        let mut owner = Owner::of(&fixture);
        let mut client = asking(&fixture, "30s", "")?;
        let before = world::get().seen.count(to_allowed);
        client.tell(&format!("by {door} allowed.test 80"));
        let request = owner.asked()?;
        let (count, what) = (world::get().seen.count(to_allowed), request.subject.to_string());
        must(count == before, || format!("{door}: something came before the answer"))?;
        let port = if door == "direct" { "allowed.test" } else { "allowed.test:80" };
        must(what == port, || format!("{door}: asked for {what}"))?;
        let process = request.latest.process.as_ref().map_or("", |text| text.as_str());
        must(process.starts_with("network") && process.ends_with(')'), || {
            format!("{door}: by {process}")
        })?;
        let said = owner.until_said(&mut client, Verdict::Approve, Lifetime::Session)?;
        must(said == "open", || format!("{door}: {said}"))?;
        let rules = policy(&fixture);
        must(rules.contains("run: ") && rules.contains("by: ann"), || rules)?;
        let told = client.end_told()?;
        let id = &request.id;
        let line = format!("asker asks for {what} ({id}): jail approvals approve {id}");
        must(told.contains(&line), || format!("{door}: {told}"))?;
        // What was for the run alone is gone with it.
        let rules = policy(&fixture);
        must(!rules.contains("run: "), || format!("{door}: after the run: {rules}"))?;
        let log = fixture.read("cwd/.cloned/audit.log");
        let recorded = format!("\"kind\":\"asked\",\"run\":\"{}\"", run_of(&request));
        must(log.contains(&recorded) && log.contains(id.as_str()), || log)?;
    }
    Ok(())
}

fn run_of(request: &Request) -> &str {
    request.latest.run.as_ref().map_or("", |run| run.as_str())
}

fn to_allowed(seen: &world::seen::Seen) -> bool {
    matches!(seen, world::seen::Seen::Packet { to, .. } if *to == world::ALLOWED)
}

fn denied() -> Check {
    for (door, lifetime) in DOORS.into_iter().zip([
        Lifetime::Session,
        Lifetime::Once,
        Lifetime::Session,
        Lifetime::Once,
    ]) {
        let fixture = fixture();
        let mut owner = Owner::of(&fixture);
        // Longer than this test waits: what comes back is the answer's doing.
        let mut client = asking(&fixture, "60s", "")?;
        client.tell(&format!("by {door} allowed.test 80"));
        let said = owner.until_said(&mut client, Verdict::Deny, lifetime)?;
        let (is, why) = match door {
            "http" => (said.contains("jail: allowed.test:80 denied by"), said),
            "connect" => (said.contains("denied by the answer to"), said),
            "socks" => (said == "SOCKS5 reply 2", said),
            _ => (said == "nothing was tried", said),
        };
        must(is, || format!("{door}: {why}"))?;
        must(world::get().seen.packet(world::ALLOWED, 6, 80).is_none(), || "it came out".into())?;
        if lifetime == Lifetime::Once {
            // Asked again: that denial was for what was held.
            client.tell(&format!("by {door} allowed.test 80"));
            owner.asked()?;
            let said = owner.until_said(&mut client, Verdict::Approve, Lifetime::Session)?;
            must(said == "open", || format!("{door}, asked again: {said}"))?;
        }
        client.end()?;
    }
    Ok(())
}

fn unanswered() -> Check {
    let fixture = fixture();
    let mut owner = Owner::of(&fixture);
    let mut client = asking(&fixture, "1s", "")?;
    let said = client.ask("by http allowed.test 80")?;
    let request = owner.asked()?;
    let expected = format!(
        "jail: allowed.test:80 nobody answered within 1s; jail approvals approve {}",
        request.id
    );
    must(said.contains(&expected), || said)?;
    owner.answer(&request, Verdict::Approve, Lifetime::Session);
    let said = owner.until_open(&mut client, "by http allowed.test 80")?;
    must(said == "open", || format!("the retry: {said}"))?;
    client.end()
}

impl Owner {
    /// The way may still be shut: the egress process reads the files a moment after they are written.
    fn until_open(&mut self, client: &mut Session, order: &str) -> Result<String, String> {
        client.tell(order);
        self.until_said(client, Verdict::Approve, Lifetime::Session)
    }
}

fn once() -> Check {
    for door in DOORS {
        let fixture = fixture();
        let mut owner = Owner::of(&fixture);
        let mut client = asking(&fixture, "30s", "")?;
        let order = format!("by {door} allowed.test 80");
        for turn in 0..2 {
            client.tell(&order);
            let said = owner.until_said(&mut client, Verdict::Approve, Lifetime::Once)?;
            must(said == "open", || format!("{door}, turn {turn}: {said}"))?;
        }
        // And without an answer none goes out, with both rules still in the file.
        client.tell(&order);
        let request = owner.asked()?;
        must(policy(&fixture).matches("once: true").count() >= 2, || policy(&fixture))?;
        owner.answer(&request, Verdict::Deny, Lifetime::Session);
        let said = owner.until_said(&mut client, Verdict::Deny, Lifetime::Session)?;
        must(said != "open", || format!("{door}: a third went out"))?;
        client.end()?;
    }
    Ok(())
}

fn revoked() -> Check {
    for (door, lifetime) in [
        ("connect", Lifetime::Once),
        ("socks", Lifetime::Session),
        ("direct", Lifetime::Once),
        ("connect", Lifetime::Always),
    ] {
        let fixture = fixture();
        let mut owner = Owner::of(&fixture);
        let mut client = asking(&fixture, "30s", "")?;
        client.tell(&format!("hold {door}"));
        let mut given = Vec::new();
        let until = Instant::now() + patience();
        let said = loop {
            for request in owner.pending() {
                owner.answer(&request, Verdict::Approve, lifetime);
                given.push(request);
            }
            match client.lines.recv_timeout(Duration::from_millis(5)) {
                Ok(line) => break line,
                Err(_) => must(Instant::now() < until, || format!("{door}: it waits for ever"))?,
            }
        };
        must(said == "open", || format!("{door}: {said}"))?;
        for request in &given {
            owner.revoke(request);
        }
        let said = client.line()?;
        must(said == "cut", || format!("{door}: {said}"))?;
        client.end()?;
    }
    Ok(())
}

fn until() -> Check {
    let fixture = fixture();
    let mut owner = Owner::of(&fixture);
    let mut client = asking(&fixture, "30s", "")?;
    client.tell("hold connect");
    let request = owner.asked()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    let end = now.as_secs() + 6;
    owner.answer(&request, Verdict::Approve, Lifetime::Until { end });
    let said = client.line()?;
    must(said == "open", || said)?;
    let said = client.line()?;
    must(said == "cut", || said)?;
    client.end()
}

fn other_run() -> Check {
    let fixture = fixture();
    let mut owner = Owner::of(&fixture);
    let mut one = asking(&fixture, "30s", "")?;
    one.tell("by http allowed.test 80");
    let said = owner.until_said(&mut one, Verdict::Approve, Lifetime::Session)?;
    must(said == "open", || said)?;
    let mut two = asking(&fixture, "1s", "")?;
    let said = two.ask("by http allowed.test 80")?;
    must(said.contains("nobody answered"), || format!("the other run: {said}"))?;
    let said = one.ask("by http allowed.test 80")?;
    must(said == "open", || format!("its own: {said}"))?;
    // Killed: its rules are taken away by the next run that asks.
    one.child.kill().expect("it lives");
    one.child.wait().expect("a child");
    must(policy(&fixture).contains("run: "), || "its rules went by themselves".into())?;
    two.end()?;
    asking(&fixture, "1s", "")?.end()?;
    must(!policy(&fixture).contains("run: "), || policy(&fixture))
}

fn flood() -> Check {
    let fixture = fixture();
    let owner = Owner::of(&fixture);
    let mut client = asking(&fixture, "1s", "  allow: [\"allowed.test:80\"]\n")?;
    let said = client.ask("flood 10000")?;
    must(said == "10000 refused", || said)?;
    let said = client.ask("by http allowed.test 80")?;
    must(said == "open", || format!("what is allowed: {said}"))?;
    let asked = owner.pending().len();
    must((1..=approvals::MOST_OF_ONE).contains(&asked), || format!("{asked} requests wait"))?;
    let told = client.end_told()?;
    let lines = told.lines().filter(|line| line.contains("asks for")).count();
    must((1..=approvals::MOST_OF_ONE + 1).contains(&lines), || told)?;
    let size = |name: &str| std::fs::metadata(fixture.at(name)).map_or(0, |file| file.len());
    let size = size("cwd/.cloned/state.db") + size("cwd/.cloned/state.db-wal");
    must(size < 8 << 20, || format!("the database has {size} bytes"))
}

/// Sequences that a terminal obeys, in every place that a client can put a name.
fn nonsense() -> Check {
    let fixture = fixture();
    let owner = Owner::of(&fixture);
    let mut client = asking(&fixture, "1s", "  allow: [\"allowed.test:443\"]\n")?;
    let said = client.ask("escapes")?;
    must(said == "0 open", || said)?;
    must(owner.pending().is_empty(), || format!("{:?}", owner.pending()))?;
    let told = client.end_told()?;
    let hidden = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']);
    must(told.contains("refused") && !hidden(&told), || format!("{told:?}"))?;
    for file in ["state.db", "state.db-wal", "audit.log"] {
        let bytes = std::fs::read(fixture.at("cwd/.cloned").join(file)).unwrap_or_default();
        must(!crate::kit::contains(&bytes, "\u{1b}[2J"), || format!("{file} has it"))?;
    }
    Ok(())
}

/// Somebody else writes for longer than the supervisor waits.
fn locked() -> Check {
    let fixture = fixture();
    let mut owner = Owner::of(&fixture);
    let mut client = asking(&fixture, "30s", "")?;
    let mut other = State::open(&owner.root, FOR_LOCKS).expect("a database");
    let (begun, has_begun) = mpsc::channel();
    let writing = std::thread::spawn(move || {
        let wrote = other.change(|_| {
            begun.send(()).expect("a listener");
            std::thread::sleep(Duration::from_secs(3));
            Ok(())
        });
        wrote.expect("a change");
    });
    has_begun.recv().expect("it writes");
    client.tell("by http allowed.test 80");
    let said = owner.until_said(&mut client, Verdict::Approve, Lifetime::Session)?;
    writing.join().map_err(|_| "the other writer failed")?;
    must(said == "open", || said)?;
    let told = client.end_told()?;
    let once = told.matches("cannot be written down yet").count() == 1;
    must(once && told.contains("jail approvals approve"), || told)
}

fn nobody() -> Check {
    let fixture = fixture();
    let output = fixture.jail(&["--unlisted", "ask"]).args(["--", "/bin/true"]).output();
    let output = output.expect("jail");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    must(!output.status.success() && text.contains("jail init"), || text)
}

fn missing(name: &str) -> Option<String> {
    clients::missing(clients::named(name))
}

/// A real client, which is held and then goes on.
fn held(name: &str) -> Check {
    let fixture = fixture();
    let mut owner = Owner::of(&fixture);
    let over = Arc::new(AtomicBool::new(false));
    let answering = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                for request in owner.pending() {
                    owner.answer(&request, Verdict::Approve, Lifetime::Session);
                    answered += 1;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            answered
        })
    };
    let done = clients::held(&fixture, clients::named(name));
    over.store(true, Ordering::Relaxed);
    let answered = answering.join().map_err(|_| "whoever answers failed")?;
    done?;
    must(answered > 0, || "nobody was asked".into())
}
