//! Answers and kill -9: no decision is lost or half applied, and many writers lose nothing.
//!
//! The processes that are killed are this binary again, as `--approvals WORK FOLDER SEED`. A worker says on
//! stdout what it has done, when it is done.

use super::support::{Outcome, trial};
use jail::approvals::{
    self, Answer, Asker, Decision, Filter, Lifetime, Occurrence, Recorded, Request, RequestId,
    Scope, Standing, Subject, Verdict, Via,
};
use jail::audit::{Text, verify};
use jail::failure::Failure;
use jail::firewall::store::{self as firewall, Folder};
use jail::firewall::{Effect, Rule};
use jail::policy::load::WorkspaceRoot;
use jail::ports::{Proto, store as registry};
use jail::state::State;
use libtest_mimic::Trial;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KILLS: u64 = 200;
const AT_ONCE: u64 = 4;
const HOSTS: u64 = 12;
const PORTS: u64 = 4;
const WRITERS: u64 = 8;
const EACH: u64 = 21;
/// How long one waits for the others, also where the machine is busy.
fn time() -> Duration {
    Duration::from_secs(30) * super::support::patience()
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("approvals::killed", killed), trial("approvals::many_writers", many_writers)]
}

/// What this process is to do instead of testing.
pub(crate) fn worker() -> Option<std::process::ExitCode> {
    let words: Vec<String> = std::env::args().collect();
    let [_, flag, work, folder, seed] = words.as_slice() else { return None };
    if flag != "--approvals" {
        return None;
    }
    let mut worker = Worker::new(Path::new(folder), seed.parse().unwrap());
    match work.as_str() {
        "anything" => worker.anything(),
        _ => worker.count(),
    }
    Some(std::process::ExitCode::SUCCESS)
}

struct Worker {
    root: WorkspaceRoot,
    state: State,
    random: u64,
}

impl Worker {
    fn new(folder: &Path, seed: u64) -> Self {
        let root = WorkspaceRoot { path: folder.to_owned() };
        let state = State::open(&root, time()).unwrap();
        said("ready");
        Self { root, state, random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// xorshift: the same seed makes the same run.
    fn below(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) % most
    }

    /// Asks, answers, applies and takes back, until it is killed.
    fn anything(&mut self) {
        for _ in 0..100_000 {
            let number = self.below(HOSTS + PORTS);
            let (asker, subject) = wanted(number);
            let id = RequestId::of(&asker, &subject);
            let act = self.below(10);
            let done = match act {
                0..=3 => self.ask(number).map(|_| String::new()),
                4..=6 => self.answer(&id, matches!(subject, Subject::Port { .. })),
                // What another one has written down is applied by whoever comes.
                7 => approvals::apply(&mut self.state, &self.root, None).map(|()| String::new()),
                8 => self.take_back(&id),
                _ => approvals::dismiss(&mut self.state, &id).map(|_| String::new()),
            };
            match done {
                Ok(done) => said(&done),
                Err(failure) => {
                    expected(&failure);
                    said("");
                }
            }
        }
    }

    fn ask(&mut self, number: u64) -> Result<Recorded, Failure> {
        let (asker, subject) = wanted(number);
        let run = Some(Text::new(
            ["0123456789ab", "ba9876543210"][usize::from(number.is_multiple_of(2))],
        ));
        let latest = Occurrence { run, ..Occurrence::now("not-listed".into()) };
        approvals::record(&mut self.state, &asker, &subject, &latest, 1)
    }

    /// Half of the time in two steps, between which the others come.
    fn answer(&mut self, id: &RequestId, is_port: bool) -> Result<String, Failure> {
        let lifetime = match self.below(4) {
            _ if is_port => Lifetime::Always,
            0 => Lifetime::Always,
            1 => Lifetime::Until { end: 4_000_000_000 },
            2 => Lifetime::Session,
            _ => Lifetime::Once,
        };
        let verdict = if self.below(3) == 0 { Verdict::Deny } else { Verdict::Approve };
        let answer = answer(verdict, lifetime);
        let lasts = matches!(lifetime, Lifetime::Always | Lifetime::Until { .. });
        if lasts && self.below(2) == 0 {
            let decision = approvals::decide(&mut self.state, &self.root, None, id, answer)?;
            assert!(decision.applied);
            return Ok(format!("decided {}", decision.number));
        }
        let decision = approvals::answer(&mut self.state, id, answer)?;
        Ok(format!("decided {}", decision.number))
    }

    fn take_back(&mut self, id: &RequestId) -> Result<String, Failure> {
        let answer = answer(Verdict::Revoke, Lifetime::Always);
        let decision = approvals::decide(&mut self.state, &self.root, None, id, answer)?;
        Ok(format!("decided {}", decision.number))
    }

    /// Asks for what all ask for and for something of its own, and answers that.
    fn count(&mut self) {
        for round in 0..EACH {
            let number = self.below(HOSTS);
            assert!(matches!(self.ask(number).unwrap(), Recorded::New(_) | Recorded::Again(_)));
            said(&format!("asked {number}"));
            let own = 1000 + u64::from(std::process::id()) * 100 + round;
            if round % 3 == 0 {
                let Recorded::New(id) = self.ask(own).unwrap() else { panic!("it is new") };
                let answer = answer(Verdict::Approve, Lifetime::Always);
                let decision =
                    approvals::decide(&mut self.state, &self.root, None, &id, answer).unwrap();
                said(&format!("decided {}", decision.number));
            }
        }
    }
}

fn answer(verdict: Verdict, lifetime: Lifetime) -> Answer {
    let (by, via) = (Text::new("test"), Via::Cli);
    Answer { verdict, lifetime, scope: Scope::Connector, by, via, why: None, run: None }
}

/// The things that are asked for: hosts, then ports.
fn wanted(number: u64) -> (Asker, Subject) {
    let asker = Asker::connector(format!("c{}", number % 3).parse().unwrap(), None);
    if (HOSTS..HOSTS + PORTS).contains(&number) {
        let at = format!("127.0.0.1:{}", 3000 + number).parse().unwrap();
        let service = format!("s{number}").parse().unwrap();
        return (asker, Subject::Port { service, proto: Proto::Tcp, at, open: false });
    }
    let host = format!("h{number}.example.com").parse().unwrap();
    (asker, Subject::Egress { host, port: 443, private: false })
}

/// Whoever comes second is told; nothing else may go wrong.
fn expected(failure: &Failure) {
    let text = failure.to_string();
    let known = ["there is no request", " already", "no answer to take back"];
    assert!(known.iter().any(|word| text.contains(word)), "{text}");
}

fn said(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

fn start(work: &str, folder: &Path, seed: u64) -> Child {
    let own = std::env::current_exe().unwrap();
    let (folder, seed) = (folder.to_str().unwrap(), seed.to_string());
    let mut command = Command::new(own);
    command.args(["--approvals", work, folder, &seed]).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn workspace() -> (tempfile::TempDir, WorkspaceRoot) {
    let dir = tempfile::Builder::new().prefix("approvals-").tempdir_in("/var/tmp").unwrap();
    fs::create_dir(dir.path().join(".cloned")).unwrap();
    let root = WorkspaceRoot { path: dir.path().to_owned() };
    (dir, root)
}

/// What its workers said: the numbers of the decisions that they made.
fn decided(text: &str, into: &mut BTreeSet<u64>) {
    // A kill can come within the last line.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    into.extend(
        whole.lines().filter_map(|line| line.strip_prefix("decided ")?.parse::<u64>().ok()),
    );
}

/// To its end: what a worker said on stderr.
fn errors_of(worker: &mut Child) -> String {
    let mut errors = String::new();
    worker.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    errors
}

fn killed() -> Outcome {
    let (dir, root) = workspace();
    let mut told = BTreeSet::new();
    for round in 0..KILLS / AT_ONCE {
        let mut workers: Vec<Child> =
            (0..AT_ONCE).map(|n| start("anything", dir.path(), round * AT_ONCE + n)).collect();
        let mut streams: Vec<_> =
            workers.iter_mut().map(|it| BufReader::new(it.stdout.take().unwrap())).collect();
        // After some changes, and then at any moment of the next.
        let mut heard = Vec::new();
        for (stream, worker) in streams.iter_mut().zip(&mut workers) {
            let mut text = String::new();
            for _ in 0..=round % 5 {
                stream.read_line(&mut text).unwrap();
            }
            assert!(text.starts_with("ready\n"), "round {round}: {text}{}", errors_of(worker));
            std::thread::sleep(Duration::from_micros(round * 7919 % 15_000));
            worker.kill().unwrap();
            heard.push(text);
        }
        for ((mut worker, mut stream), mut text) in workers.into_iter().zip(streams).zip(heard) {
            stream.read_to_string(&mut text).unwrap();
            let errors = errors_of(&mut worker);
            let status = worker.wait().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(
                signal,
                Some(9),
                "round {round}: it did not live until it was killed: {errors}"
            );
            decided(&text, &mut told);
        }
        check(&root, &told, round);
    }
    assert!(told.len() > 50, "only {} decisions were made", told.len());
    println!("approvals: {KILLS} kills, {} decisions told", told.len());
    Ok(())
}

/// A process that comes afterwards finds everything right.
fn check(root: &WorkspaceRoot, told: &BTreeSet<u64>, round: u64) {
    let mut state = State::open(root, time()).unwrap();
    approvals::apply(&mut state, root, None).unwrap();
    let integrity: String =
        state.read(|it| it.query_row("PRAGMA integrity_check", [], |row| row.get(0))).unwrap();
    assert_eq!(integrity, "ok", "round {round}");
    let mut all: BTreeMap<u64, (Request, Decision)> = BTreeMap::new();
    for request in approvals::list(&state, &Filter::default()).unwrap() {
        let (_, decisions) = approvals::find(&state, &request.id).unwrap().unwrap();
        let last = decisions.last().map(|last| last.answer.verdict);
        match (request.standing, last) {
            (Standing::Pending | Standing::Dismissed, _) => {}
            (Standing::Approved, Some(Verdict::Approve))
            | (Standing::Denied, Some(Verdict::Deny))
            | (Standing::Revoked, Some(Verdict::Revoke)) => {}
            other => panic!("round {round}: {} is {other:?}", request.id),
        }
        for decision in decisions {
            assert!(decision.applied, "round {round}: {decision:?}");
            all.insert(decision.number, (request.clone(), decision));
        }
    }
    let numbers: BTreeSet<u64> = all.keys().copied().collect();
    let lost: Vec<&u64> = told.difference(&numbers).collect();
    assert!(lost.is_empty(), "round {round}: lost {lost:?}");
    let (rules, ports) = meant(&all);
    let folder = Folder::new(root, None);
    let overlay = firewall::read(&folder).unwrap();
    let said: Vec<String> = overlay.entries.iter().map(|entry| key(&entry.rule)).collect();
    let set: BTreeSet<String> = said.iter().cloned().collect();
    assert_eq!(set, rules, "round {round}");
    let registry = registry::read(root).unwrap();
    let services: BTreeSet<String> =
        registry.services.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(services, ports, "round {round}");
    let log = root.path.join(".cloned/audit.log");
    if !numbers.is_empty() {
        let report = verify(&log).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        let text = fs::read_to_string(&log).unwrap();
        let recorded: BTreeSet<u64> = text.lines().filter_map(number).collect();
        assert_eq!(recorded, numbers, "round {round}: what is in the audit log");
    }
}

/// The number of the decision that a line of the audit log is about.
fn number(line: &str) -> Option<u64> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    record["event"]["number"].as_u64()
}

/// What the files have to say after these decisions, made one after the other.
fn meant(all: &BTreeMap<u64, (Request, Decision)>) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut rules: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for (request, decision) in all.values() {
        let answer = &decision.answer;
        match (&request.subject, answer.verdict) {
            (Subject::Port { service, .. }, Verdict::Approve) => {
                ports.insert(service.to_string());
            }
            (Subject::Port { service, .. }, Verdict::Revoke) => {
                ports.remove(&service.to_string());
            }
            (Subject::Port { .. }, Verdict::Deny) => {}
            (Subject::Egress { .. }, Verdict::Revoke) => {
                rules.remove(request.id.as_str());
            }
            (Subject::Egress { host, port, .. }, verdict) => {
                let effect = if verdict == Verdict::Approve { Effect::Allow } else { Effect::Deny };
                let run = answer.run.as_ref().map(ToString::to_string);
                let once = answer.lifetime == Lifetime::Once;
                let target = format!(
                    "{effect:?} {host}:{port} {} {run:?} {once} {}",
                    request.asker.connector, request.id
                );
                let end = match answer.lifetime {
                    Lifetime::Until { end } => Some(end),
                    _ => None,
                };
                // The same answer again has another end, and is the same rule.
                let own = rules.entry(request.id.to_string()).or_default();
                own.insert(target, format!("{end:?}"));
            }
        }
    }
    let rules = rules.into_values().flatten();
    (rules.map(|(target, end)| format!("{target} {end}")).collect(), ports)
}

fn key(rule: &Rule) -> String {
    let Rule { effect, host, ports, connector, run, once, request, expires, .. } = rule;
    let end = expires.map(|end| end.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs());
    let connector = connector.as_ref().unwrap();
    format!(
        "{effect:?} {host}:{} {connector} {run:?} {once} {} {end:?}",
        ports.one().unwrap(),
        request.as_ref().unwrap()
    )
}

/// Eight processes at once: every time that something was asked for is counted, every answer is there.
fn many_writers() -> Outcome {
    let (dir, root) = workspace();
    let workers: Vec<Child> = (0..WRITERS).map(|n| start("count", dir.path(), n + 1)).collect();
    let mut asked: BTreeMap<u64, u64> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for worker in workers {
        let output = super::support::wait(worker, Duration::from_secs(50));
        let errors = super::support::stderr(&output);
        assert!(output.status.success(), "{errors}");
        let text = super::support::stdout(&output);
        for number in text.lines().filter_map(|line| line.strip_prefix("asked ")?.parse().ok()) {
            *asked.entry(number).or_default() += 1;
        }
        decided(&text, &mut told);
    }
    assert_eq!(asked.values().sum::<u64>(), WRITERS * EACH);
    assert_eq!(told.len() as u64, WRITERS * EACH.div_ceil(3));
    let state = State::open(&root, time()).unwrap();
    for (number, times) in asked {
        let (asker, subject) = wanted(number);
        let id = RequestId::of(&asker, &subject);
        let (request, _) = approvals::find(&state, &id).unwrap().unwrap();
        assert_eq!(request.times, times, "{}", request.subject);
    }
    drop(state);
    check(&root, &told, 0);
    Ok(())
}
