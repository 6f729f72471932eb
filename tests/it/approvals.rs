//! `jail approvals` as a person types it. The requests are made as the supervisor of a run makes them.

use jail::approvals::{
    Asker, Lifetime, Occurrence, RequestId, Standing, Subject, decide, find, record,
};
use jail::audit::{Born, Digest, Event, Log, Network, RunId, RunStart, Sandbox, Text};
use jail::policy::load::WorkspaceRoot;
use jail::state::{PATIENCE, State};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const RUN: &str = "0123456789ab";
const TOOL: &str = "cloned.mcp.web.search@v1";

struct Rig {
    dir: TempDir,
    state: State,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".cloned/connectors")).unwrap();
        let manifest = format!(
            "name: search\ncommand: x\ntool: {TOOL}\nnetwork: {{allow: [api.github.com]}}\n"
        );
        fs::write(dir.path().join(".cloned/connectors/search.yaml"), manifest).unwrap();
        let state = State::open(&root(dir.path()), PATIENCE).unwrap();
        Self { dir, state }
    }

    /// A run that goes on as long as this test.
    fn runs(&self) {
        let (pid, born) = (std::process::id(), jail::host::process::born(std::process::id()));
        let start = RunStart {
            run: RUN.into(),
            connector: "search".into(),
            tool: Some(TOOL.into()),
            backend: Sandbox::Namespace,
            plan_sha256: Digest::ZERO,
            jail_version: "0.1.0".into(),
            kernel: "6.18".into(),
            pid,
            born: born as Option<Born>,
            network: Some(Network::None),
            uid: nix::unistd::getuid().as_raw(),
            command: "x".into(),
            gaps: Vec::new(),
            traced: false,
        };
        let log = Log::open(&self.dir.path().join(".cloned/audit.log")).unwrap();
        log.append(&Event::RunStart(start)).unwrap();
    }

    fn ask(&mut self, host: &str) -> RequestId {
        let asker = Asker::connector("search".parse().unwrap(), Some(TOOL.parse().unwrap()));
        let subject = Subject::Egress { host: host.parse().unwrap(), port: 443, private: false };
        let latest = Occurrence {
            run: Some(Text::new(RUN)),
            process: Some(Text::new("\u{1b}[2Jnode")),
            ..Occurrence::now("not-listed".into())
        };
        record(&mut self.state, &asker, &subject, &latest, 1).unwrap();
        RequestId::of(&asker, &subject)
    }

    fn standing(&self, id: &RequestId) -> Standing {
        find(&self.state, id).unwrap().unwrap().0.standing
    }

    fn rules(&self) -> String {
        fs::read_to_string(self.dir.path().join(".cloned/policy/firewall.yaml")).unwrap()
    }

    #[track_caller]
    fn says(&self, args: &[&str], code: i32, words: &[&str]) -> String {
        says(self.dir.path(), &[&["approvals"], args].concat(), code, words)
    }
}

fn root(dir: &Path) -> WorkspaceRoot {
    WorkspaceRoot { path: dir.to_owned() }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.args(args).current_dir(dir).env_clear().env("HOME", dir.join("home"));
    command
}

#[track_caller]
fn says(dir: &Path, args: &[&str], code: i32, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(dir, args).output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + std::str::from_utf8(&stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no {word:?} in {text}");
    }
    text
}

#[test]
fn looking_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    says(dir.path(), &["approvals", "list"], 2, &["no `.cloned` folder"]);
    fs::create_dir(dir.path().join(".cloned")).unwrap();
    says(dir.path(), &["approvals", "list"], 0, &["nothing waits"]);
    says(dir.path(), &["approvals", "show", "abcd"], 2, &["no request abcd"]);
    assert_eq!(fs::read_dir(dir.path().join(".cloned")).unwrap().count(), 0);
}

#[test]
fn an_answer_for_the_run_that_asked_is_what_one_gets_without_more() {
    let mut rig = Rig::new();
    rig.runs();
    let id = rig.ask("api.example.com");
    let text = rig.says(&["list"], 0, &[id.as_str(), "search", TOOL, "api.example.com"]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let page = rig.says(&["show", &id.as_str()[..4]], 0, &["\\u{1b}[2Jnode", "not-listed", RUN]);
    assert!(!page.contains('\u{1b}'), "{page:?}");
    let said = ["approved: api.example.com", TOOL, RUN, "firewall.yaml:"];
    rig.says(&["approve", &id.as_str()[..5], "--why", "asked for it"], 0, &said);
    let rules = rig.rules();
    for field in ["allow: api.example.com", &format!("run: \"{RUN}\""), "asked for it", id.as_str()]
    {
        assert!(rules.contains(field), "no {field} in {rules}");
    }
    rig.says(&["approve", id.as_str()], 2, &["approved already"]);
    rig.says(&["list"], 0, &["nothing waits"]);
    rig.says(&["list", "--all"], 0, &["approved"]);
    rig.says(&["revoke", id.as_str(), "--why", "enough"], 0, &["taken back"]);
    assert!(!rig.rules().contains("api.example.com"));
    rig.says(&["show", id.as_str()], 0, &["asked for it", "enough", "revoked"]);
    says(rig.dir.path(), &["audit", "show"], 0, &["decision", "api.example.com"]);
    says(rig.dir.path(), &["audit", "verify"], 0, &[]);
}

#[test]
fn what_lasts_is_said() {
    let mut rig = Rig::new();
    let (one, two) = (rig.ask("a.example.com"), rig.ask("b.example.com"));
    let ids = [one.as_str(), two.as_str()];
    rig.says(&["approve", ids[0]], 2, &["say how long", "has ended", "--until 2h, or --always"]);
    rig.says(&["approve", ids[0], "--session"], 2, &["has ended", "--always"]);
    rig.says(&["approve", ids[0], "--once", "--always"], 2, &["cannot be used with"]);
    rig.says(&["approve", ids[0], "--until", "2020-01-01T00:00:00Z"], 2, &["is over"]);
    assert_eq!(rig.standing(&one), Standing::Pending);
    let both = ["approve", ids[0], ids[1], "--until", "2h", "--scope", "global"];
    rig.says(&both, 0, &["approved: a.example.com", "approved: b.example.com", "every connector"]);
    assert_eq!(rig.rules().matches("expires:").count(), 2);
    let third = rig.ask("c.example.com");
    rig.says(&["deny", third.as_str()], 0, &["denied: c.example.com", "always"]);
    assert!(rig.rules().contains("deny: c.example.com"));
    // One that cannot be answered keeps no other from its answer.
    let fourth = rig.ask("d.example.com");
    rig.says(
        &["deny", third.as_str(), fourth.as_str()],
        2,
        &["denied already", "denied: d.example.com"],
    );
    assert_eq!(rig.standing(&fourth), Standing::Denied);
}

#[test]
fn ids_are_whole_or_clear() {
    let mut rig = Rig::new();
    for wrong in ["abc", "ABCD", "abcd1", "abcdefghijk", "--", ""] {
        rig.says(&["dismiss", wrong], 2, &[]);
    }
    let id = rig.ask("a.example.com");
    // Found, or nothing is done at all.
    let unknown = if id.as_str().starts_with("zzzz") { "aaaa" } else { "zzzz" };
    rig.says(&["dismiss", id.as_str(), unknown], 2, &["no request"]);
    assert_eq!(rig.standing(&id), Standing::Pending);
    rig.says(&["dismiss", id.as_str()], 0, &["unanswered"]);
    assert_eq!(rig.standing(&id), Standing::Dismissed);
    // Two with the same beginning.
    let mut known = std::collections::HashMap::<String, (RequestId, u32)>::new();
    let twin = (0u32..).find_map(|n| {
        let asker = Asker::connector("search".parse().unwrap(), Some(TOOL.parse().unwrap()));
        let host = format!("h{n}.example.com").parse().unwrap();
        let id = RequestId::of(&asker, &Subject::Egress { host, port: 443, private: false });
        let first = known.insert(id.as_str()[..4].to_owned(), (id.clone(), n))?;
        Some((first.1, n, id))
    });
    let (first, second, id) = twin.unwrap();
    for number in [first, second] {
        rig.ask(&format!("h{number}.example.com"));
    }
    rig.says(&["dismiss", &id.as_str()[..4]], 2, &["is the beginning of 2 ids", id.as_str()]);
    rig.says(&["dismiss", id.as_str()], 0, &[]);
}

#[test]
fn what_looks_like_an_allowed_host_is_told() {
    let mut rig = Rig::new();
    let alike = rig.ask("api.githib.com");
    rig.ask("uploads.github.com");
    let text = rig.says(&["list"], 0, &["! it differs little from the allowed api.github.com"]);
    assert_eq!(text.matches('!').count(), 1, "{text}");
    let output = command(rig.dir.path(), &["approvals", "list", "--json"]).output().unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests = list["requests"].as_array().unwrap();
    let found = requests.iter().find(|it| it["id"] == alike.as_str()).unwrap();
    assert_eq!(found["doubts"][0]["code"], "look-alike");
    assert_eq!(found["latest"]["run"], RUN);
    assert_eq!(requests.len(), 2);
    let none = command(rig.dir.path(), &["approvals", "list", "--json", "--connector", "other"]);
    let none: Value = serde_json::from_slice(&{ none }.output().unwrap().stdout).unwrap();
    assert_eq!(none["requests"], Value::Array(Vec::new()));
}

#[test]
fn a_watcher_sees_what_happens_as_it_happens() {
    let mut rig = Rig::new();
    let first = rig.ask("a.example.com");
    let mut watch = command(rig.dir.path(), &["approvals", "list", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let seen = |value: &Value| (value["id"].clone(), value["standing"].clone());
    assert_eq!(seen(&next()), (first.as_str().into(), "pending".into()));
    let second = rig.ask("b.example.com");
    assert_eq!(seen(&next()), (second.as_str().into(), "pending".into()));
    rig.says(&["deny", first.as_str()], 0, &[]);
    let mut last = next();
    // Between the answer and its file it can be seen, too.
    while last["answers"][0]["applied"] != true {
        assert_eq!(seen(&last), (first.as_str().into(), "denied".into()));
        last = next();
    }
    assert_eq!(seen(&last), (first.as_str().into(), "denied".into()));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_request_for_a_port_is_registered_when_it_is_approved() {
    let rig = Rig::new();
    let dir = rig.dir.path();
    let ask = ["ports", "request", "web", "--port", "3000", "--connector", "web"];
    let text = says(dir, &ask, 0, &["nothing is granted yet", "jail approvals approve "]);
    let id: String = text.split("approve ").nth(1).unwrap().chars().take(10).collect();
    says(dir, &ask, 0, &["asked for already", &id]);
    rig.says(&["list"], 0, &[&id, "port 127.0.0.1:3000/tcp for web"]);
    rig.says(&["approve", &id, "--until", "2h"], 2, &["for good, or not at all"]);
    rig.says(&["approve", &id], 0, &["approved: port 127.0.0.1:3000/tcp", "ports.yaml:"]);
    let registry = || fs::read_to_string(dir.join(".cloned/ports.yaml")).unwrap();
    assert!(registry().contains("web: {port: 3000, connector: web}"), "{}", registry());
    says(dir, &["ports", "list"], 0, &["connector web"]);
    rig.says(&["revoke", &id], 0, &["taken back"]);
    assert!(!registry().contains("3000"), "{}", registry());
    // An entry made by hand is an answer, too.
    says(dir, &ask, 0, &["nothing is granted yet", &id]);
    let add = ["ports", "add", "site", "--port", "3000", "--connector", "web"];
    says(dir, &add, 0, &["this grants the request", &id]);
    rig.says(&["list", "--all"], 0, &["approved"]);
    rig.says(&["revoke", &id], 0, &[]);
    assert!(!registry().contains("3000"), "{}", registry());
}

#[test]
fn a_session_is_for_that_run_alone() {
    let mut rig = Rig::new();
    rig.runs();
    let id = rig.ask("a.example.com");
    let answer = jail::approvals::Answer {
        verdict: jail::approvals::Verdict::Approve,
        lifetime: Lifetime::Session,
        scope: jail::approvals::Scope::Connector,
        by: "ann".into(),
        via: jail::approvals::Via::Api,
        why: None,
        run: None,
    };
    let root = root(rig.dir.path());
    let decision = decide(&mut rig.state, &root, None, &id, answer).unwrap();
    assert_eq!(decision.answer.run, Some(Text::new(RunId::from(RUN).as_str())));
    let check = ["firewall", "check", "a.example.com", "--connector", "search"];
    says(rig.dir.path(), &check, 1, &["refused"]);
}
