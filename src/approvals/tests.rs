use super::*;
use crate::audit::Text;
use crate::failure::Failure;
use crate::firewall::store::{self as firewall, Folder};
use crate::policy::load::{FOLDER, WorkspaceRoot};
use crate::state::{PATIENCE, State};

struct Rig {
    _folder: tempfile::TempDir,
    root: WorkspaceRoot,
    state: State,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let root = WorkspaceRoot { path: folder.path().to_owned() };
        let state = State::open(&root, PATIENCE).unwrap();
        Self { _folder: folder, root, state }
    }

    fn ask(&mut self, connector: &str, host: &str) -> Recorded {
        let run = Some(Text::new("0123456789ab"));
        let latest = Occurrence { run, ..Occurrence::now("not-listed".into()) };
        record(&mut self.state, &asker(connector), &egress(host), &latest, 1).unwrap()
    }

    fn asked(&mut self, host: &str) -> RequestId {
        match self.ask("search", host) {
            Recorded::New(id) | Recorded::Again(id) => id,
            Recorded::Full => panic!("full"),
        }
    }

    fn rules(&self) -> Vec<crate::firewall::Rule> {
        firewall::read(&Folder::new(&self.root, None)).unwrap().rules().0
    }

    fn decide(&mut self, id: &RequestId, answer: Answer) -> Result<Decision, Failure> {
        decide(&mut self.state, &self.root, None, id, answer)
    }

    fn apply(&mut self) {
        apply(&mut self.state, &self.root, None).unwrap();
    }
}

fn asker(connector: &str) -> Asker {
    Asker::connector(connector.parse().unwrap(), None)
}

fn egress(host: &str) -> Subject {
    Subject::Egress { host: host.parse().unwrap(), port: 443, private: false }
}

fn yes(lifetime: Lifetime) -> Answer {
    Answer {
        verdict: Verdict::Approve,
        lifetime,
        scope: Scope::Connector,
        by: "ann".into(),
        via: Via::Cli,
        why: None,
        run: None,
    }
}

#[test]
fn the_same_is_asked_for_once_and_counted() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    assert_eq!(rig.ask("search", "a.example"), Recorded::Again(id.clone()));
    assert_ne!(rig.ask("other", "a.example"), Recorded::Again(id.clone()));
    let (request, decisions) = find(&rig.state, &id).unwrap().unwrap();
    assert_eq!((request.times, request.standing, decisions.len()), (2, Standing::Pending, 0));
    assert_eq!(id, RequestId::of(&asker("search"), &egress("a.example")));
    let pending = Filter { standing: Some(Standing::Pending), connector: Some("search".into()) };
    assert_eq!(list(&rig.state, &pending).unwrap(), [request]);
}

#[test]
fn a_flood_fills_its_own_share_alone() {
    let mut rig = Rig::new();
    let asked = (0..MOST_OF_ONE + 9).map(|n| rig.ask("search", &format!("{n}.example")));
    assert_eq!(asked.filter(|it| *it == Recorded::Full).count(), 9);
    assert!(matches!(rig.ask("other", "a.example"), Recorded::New(_)));
    assert!(matches!(rig.ask("search", "0.example"), Recorded::Again(_)));
    for connector in 0..9 {
        for n in 0..MOST_OF_ONE {
            rig.ask(&format!("c{connector}"), &format!("{n}.example"));
        }
    }
    assert_eq!(list(&rig.state, &Filter::default()).unwrap().len(), MOST);
}

#[test]
fn an_answer_is_a_rule_that_says_whom_it_is_for_and_who_gave_it() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    answer(&mut rig.state, &id, yes(Lifetime::Session)).unwrap();
    assert!(rig.rules().is_empty());
    rig.apply();
    let rules = rig.rules();
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(rule.run.as_deref(), Some("0123456789ab"));
    assert_eq!(rule.request.as_deref(), Some(id.as_str()));
    assert_eq!(rule.connector.as_ref().unwrap().as_str(), "search");
    assert!(!rule.once);
    let (_, decisions) = find(&rig.state, &id).unwrap().unwrap();
    assert!(decisions[0].applied && decisions[0].answer.by == "ann".into());
    rig.apply();
    assert_eq!(rig.rules(), rules);
    let failure = answer(&mut rig.state, &id, yes(Lifetime::Always)).unwrap_err();
    assert!(failure.what.contains("is approved already"), "{failure}");
}

#[test]
fn what_is_taken_back_is_gone_and_can_be_asked_for_again() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    for applied in [true, false] {
        answer(&mut rig.state, &id, yes(Lifetime::Once)).unwrap();
        if applied {
            rig.apply();
            assert!(rig.rules()[0].once);
        }
        revoke(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
        rig.apply();
        assert_eq!(rig.rules(), []);
        assert!(revoke(&mut rig.state, &id, yes(Lifetime::Always)).is_err());
        assert_eq!(rig.asked("a.example"), id);
        assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.times, 1);
    }
}

#[test]
fn each_answer_for_one_connection_is_a_rule_of_its_own() {
    let mut rig = Rig::new();
    for given in 1..4 {
        let id = rig.asked("a.example");
        answer(&mut rig.state, &id, yes(Lifetime::Once)).unwrap();
        rig.apply();
        rig.apply();
        assert_eq!(rig.rules().len(), given);
    }
    // A process that was killed after the file was written applies it once more.
    let again = "UPDATE decisions SET applied = 0";
    rig.state.read(|it| it.execute(again, [])).unwrap();
    rig.apply();
    assert_eq!(rig.rules().len(), 3);
}

#[test]
fn an_answer_that_makes_no_sense_is_refused() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let tool = Answer { scope: Scope::Tool, ..yes(Lifetime::Always) };
    let failure = answer(&mut rig.state, &id, tool).unwrap_err();
    assert!(failure.what.contains("no tool"), "{failure}");
    let unknown: RequestId = "aaaaaaaaaa".parse().unwrap();
    assert!(answer(&mut rig.state, &unknown, yes(Lifetime::Always)).is_err());
    let nobody = Occurrence::now("an agent".into());
    let agent = record(&mut rig.state, &asker("agent"), &egress("b.example"), &nobody, 1).unwrap();
    let Recorded::New(agent) = agent else { panic!("{agent:?}") };
    let failure = answer(&mut rig.state, &agent, yes(Lifetime::Once)).unwrap_err();
    assert!(failure.what.contains("no run"), "{failure}");
    dismiss(&mut rig.state, &agent).unwrap();
    assert!(dismiss(&mut rig.state, &agent).is_err());
}

/// A run reports what it asked for a moment later: that needs no other answer, and can be taken back.
#[test]
fn what_was_asked_before_the_answer_opens_nothing() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    answer(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
    assert_eq!(rig.ask("search", "a.example"), Recorded::Again(id.clone()));
    assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.standing, Standing::Approved);
    let later = Occurrence::now("not-listed".into());
    let later = Occurrence { at: later.at + 60, ..later };
    let asked = record(&mut rig.state, &asker("search"), &egress("a.example"), &later, 1).unwrap();
    assert_eq!(asked, Recorded::New(id.clone()));
    // It waits again, and the answer before can be taken back.
    revoke(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
    assert_eq!(rig.asked("a.example"), id);
    assert!(revoke(&mut rig.state, &id, yes(Lifetime::Always)).is_err());
    answer(&mut rig.state, &id, yes(Lifetime::Session)).unwrap();
    let run = Some(Text::new("ba9876543210"));
    let other = Occurrence { run, ..Occurrence::now("not-listed".into()) };
    let asked = record(&mut rig.state, &asker("search"), &egress("a.example"), &other, 1).unwrap();
    assert_eq!(asked, Recorded::New(id), "another run's");
}

#[test]
fn an_answer_is_on_record() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let given = answer(&mut rig.state, &id, yes(Lifetime::Once)).unwrap();
    rig.apply();
    revoke(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
    rig.apply();
    let path = crate::audit::path_for(Some(&rig.root.path), None, None).unwrap();
    let mut reader = crate::audit::Reader::open(&path, false).unwrap();
    let mut next = || match reader.next_entry().unwrap().unwrap().event {
        Some(crate::audit::Event::Decision(decided)) => decided,
        other => panic!("{other:?}"),
    };
    let first = next();
    assert_eq!((first.request.as_str(), first.run.as_str()), (id.as_str(), "0123456789ab"));
    assert_eq!((first.verdict, first.lifetime.as_str()), (Verdict::Approve, "once"));
    assert_eq!((first.object.as_str(), first.connector.as_str()), ("a.example", "search"));
    let second = next();
    assert_eq!((second.verdict, second.number), (Verdict::Revoke, given.number + 1));
    let until = Lifetime::Until { end: 1_795_316_645 }.to_string();
    assert_eq!(until, "until 2026-11-22T03:04:05Z");
    assert!(Lifetime::Until { end: u64::MAX }.to_string().contains("9999"));
}

#[test]
fn every_change_is_counted() {
    let mut rig = Rig::new();
    let mut last = changes(&rig.state).unwrap();
    let id = rig.asked("a.example");
    for step in 0..3 {
        match step {
            0 => {}
            1 => drop(answer(&mut rig.state, &id, yes(Lifetime::Always)).unwrap()),
            _ => rig.apply(),
        }
        let now = changes(&rig.state).unwrap();
        assert!(now > last, "step {step}");
        last = now;
    }
}

#[test]
fn an_answer_is_in_the_files_when_it_comes_back() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let decided = rig.decide(&id, yes(Lifetime::Always)).unwrap();
    assert!(decided.applied);
    assert_eq!(rig.rules().len(), 1);
    let log = rig.root.path.join(".cloned/audit.log");
    let recorded = |log| std::fs::read_to_string(log).unwrap().matches("\"decision\"").count();
    assert_eq!(recorded(&log), 1);
    let revoke = Answer { verdict: Verdict::Revoke, ..yes(Lifetime::Always) };
    assert!(rig.decide(&id, revoke).unwrap().applied);
    assert_eq!(rig.rules(), []);
    assert_eq!(recorded(&log), 2);
}

#[test]
fn what_cannot_be_recorded_does_not_take_effect() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let log = rig.root.path.join(".cloned/audit.log");
    std::os::unix::fs::symlink("elsewhere", &log).unwrap();
    let failure = rig.decide(&id, yes(Lifetime::Always)).unwrap_err();
    assert!(failure.to_string().contains("cannot be recorded"), "{failure}");
    assert_eq!(rig.rules(), []);
    std::fs::remove_file(&log).unwrap();
    rig.apply();
    assert_eq!(rig.rules().len(), 1);
    assert!(std::fs::read_to_string(&log).unwrap().contains("\"decision\""));
}

#[test]
fn an_answer_for_a_run_that_is_over_is_refused() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    for lifetime in [Lifetime::Once, Lifetime::Session] {
        let failure = rig.decide(&id, yes(lifetime)).unwrap_err();
        assert!(failure.what.contains("0123456789ab, which asked, has ended"), "{failure}");
    }
    assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.standing, Standing::Pending);
}

#[test]
fn each_answer_has_a_rule_of_its_own() {
    let mut rig = Rig::new();
    let global = || Answer { scope: Scope::Global, ..yes(Lifetime::Always) };
    let ids = ["one", "two"].map(|connector| match rig.ask(connector, "a.example") {
        Recorded::New(id) => id,
        other => panic!("{other:?}"),
    });
    for id in &ids {
        rig.decide(id, global()).unwrap();
    }
    assert_eq!(rig.rules().len(), 2);
    rig.decide(&ids[0], Answer { verdict: Verdict::Revoke, ..global() }).unwrap();
    let rules = rig.rules();
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(rule.request.as_deref(), Some(ids[1].as_str()));
}

#[test]
fn what_could_not_be_applied_is_said_and_goes_with_its_answer() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let policy = rig.root.path.join(".cloned/policy");
    std::fs::create_dir_all(&policy).unwrap();
    let broken = policy.join("own.yaml");
    std::fs::write(&broken, "rules: 7\n").unwrap();
    let failure = rig.decide(&id, yes(Lifetime::Always)).unwrap_err();
    assert!(failure.what.contains("written down, but not in effect"), "{failure}");
    assert!(failure.to_string().contains("own.yaml"), "{failure}");
    revoke(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
    std::fs::remove_file(&broken).unwrap();
    rig.apply();
    rig.apply();
    assert_eq!(rig.rules(), []);
    let (_, decisions) = find(&rig.state, &id).unwrap().unwrap();
    assert!(decisions.iter().all(|decision| decision.applied), "{decisions:?}");
}

fn port(service: &str, at: &str) -> Subject {
    Subject::Port {
        service: service.parse().unwrap(),
        proto: crate::ports::Proto::Tcp,
        at: at.parse().unwrap(),
        open: false,
    }
}

#[test]
fn a_port_is_registered_for_its_connector_and_taken_out_again() {
    let mut rig = Rig::new();
    let subject = port("web", "127.0.0.1:3000");
    let now = || Occurrence::now("jail run web".into());
    record(&mut rig.state, &asker("web"), &subject, &now(), 1).unwrap();
    let id = RequestId::of(&asker("web"), &subject);
    rig.decide(&id, yes(Lifetime::Always)).unwrap();
    let registry = crate::ports::store::read(&rig.root).unwrap();
    let [service] = registry.services.as_slice() else { panic!("{registry:?}") };
    assert_eq!((service.port.get(), service.connector.as_deref()), (3000, Some("web")));
    let revoke = Answer { verdict: Verdict::Revoke, ..yes(Lifetime::Always) };
    rig.decide(&id, revoke).unwrap();
    assert_eq!(crate::ports::store::read(&rig.root).unwrap().services, []);
}

/// What `jail ports add` would refuse is refused before it is written down.
#[test]
fn a_port_that_cannot_be_registered_stays_unanswered() {
    let mut rig = Rig::new();
    let text = "version: 1\nservices:\n  other: {port: 3000}\nreserved: {mine: [4000-4001]}\n";
    std::fs::write(crate::ports::store::path(&rig.root), text).unwrap();
    let refused = [
        ("127.0.0.1:3000", "that of `other`"),
        ("127.0.0.1:4000", "reserved"),
        ("0.0.0.0:1", "reach"),
    ];
    for (at, word) in refused {
        let now = Occurrence::now("jail run web".into());
        record(&mut rig.state, &asker("web"), &port("web", at), &now, 1).unwrap();
        let id = RequestId::of(&asker("web"), &port("web", at));
        let failure = rig.decide(&id, yes(Lifetime::Always)).unwrap_err();
        assert!(failure.to_string().contains(word), "{failure}");
        assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.standing, Standing::Pending);
    }
    assert_eq!(std::fs::read_to_string(crate::ports::store::path(&rig.root)).unwrap(), text);
}

#[test]
fn an_entry_that_somebody_has_changed_since_stays() {
    let mut rig = Rig::new();
    let subject = port("web", "127.0.0.1:3000");
    let now = Occurrence::now("jail run web".into());
    record(&mut rig.state, &asker("web"), &subject, &now, 1).unwrap();
    let id = RequestId::of(&asker("web"), &subject);
    rig.decide(&id, yes(Lifetime::Always)).unwrap();
    let path = crate::ports::store::path(&rig.root);
    let text = std::fs::read_to_string(&path).unwrap().replace("3000", "3001");
    std::fs::write(&path, &text).unwrap();
    rig.decide(&id, Answer { verdict: Verdict::Revoke, ..yes(Lifetime::Always) }).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// An agent that asks for this connector, or for nobody.
fn agent(connector: &str) -> Asker {
    Asker { agent: true, ..asker(connector) }
}

#[test]
fn what_an_agent_asks_for_is_a_request_of_its_own() {
    let mut rig = Rig::new();
    let own = rig.asked("a.example");
    let now = || Occurrence { by: Some("ann".into()), ..Occurrence::now("needed".into()) };
    let asked = record(&mut rig.state, &agent("search"), &egress("a.example"), &now(), 1).unwrap();
    let Recorded::New(id) = asked else { panic!("{asked:?}") };
    assert_ne!(id, own);
    let (waits, _) = find(&rig.state, &own).unwrap().unwrap();
    assert!(waits.latest.run.is_some(), "the run that waits is not forgotten");
    for n in 0..MOST_OF_ONE {
        let subject = egress(&format!("{n}.example"));
        record(&mut rig.state, &agent("search"), &subject, &now(), 1).unwrap();
    }
    assert!(matches!(rig.ask("search", "b.example"), Recorded::New(_)), "its places are its own");
    // No is a word to the agent, and a rule for the connector.
    let no = || Answer { verdict: Verdict::Deny, ..yes(Lifetime::Always) };
    rig.decide(&id, no()).unwrap();
    assert!(rig.rules().is_empty());
    rig.decide(&own, no()).unwrap();
    assert_eq!(rig.rules().len(), 1);
}

#[test]
fn an_agent_that_asks_for_all_is_answered_for_all_or_not_at_all() {
    let mut rig = Rig::new();
    let now = Occurrence::now("needed".into());
    let asked = record(&mut rig.state, &agent(AGENT), &egress("a.example"), &now, 1).unwrap();
    let Recorded::New(id) = asked else { panic!("{asked:?}") };
    let failure = rig.decide(&id, yes(Lifetime::Always)).unwrap_err();
    assert!(failure.hints.iter().any(|hint| hint == "--scope global"), "{failure}");
    rig.decide(&id, Answer { scope: Scope::Global, ..yes(Lifetime::Always) }).unwrap();
    assert_eq!(rig.rules()[0].connector, None);
    assert_eq!(
        asker(AGENT).scopes(),
        [Scope::Connector, Scope::Global],
        "a connector of that name"
    );
}

#[test]
fn a_private_address_that_is_denied_leaves_the_host_alone_and_is_not_asked_for_again() {
    let mut rig = Rig::new();
    let subject = Subject::Egress { host: "a.example".parse().unwrap(), port: 443, private: true };
    let run = Some("0123456789ab".into());
    let later = |at| Occurrence { run: run.clone(), at, ..Occurrence::now("not-public".into()) };
    let id = RequestId::of(&asker("search"), &subject);
    record(&mut rig.state, &asker("search"), &subject, &later(1), 1).unwrap();
    rig.decide(&id, Answer { verdict: Verdict::Deny, ..yes(Lifetime::Always) }).unwrap();
    assert!(rig.rules().is_empty(), "an allowed host stays allowed");
    let again = record(&mut rig.state, &asker("search"), &subject, &later(u64::MAX >> 2), 1);
    assert_eq!(again.unwrap(), Recorded::Again(id.clone()));
    assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.standing, Standing::Denied);
}

#[test]
fn what_was_taken_back_before_it_was_in_effect_never_is() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    answer(&mut rig.state, &id, yes(Lifetime::Always)).unwrap();
    let back = Answer { verdict: Verdict::Revoke, ..yes(Lifetime::Always) };
    revoke(&mut rig.state, &id, back).unwrap();
    // As far as a process came that is killed after its first step.
    let mut wrote = Wrote(Vec::new());
    store::apply_next(&mut rig.state, 0, &mut wrote).unwrap().unwrap().1.unwrap();
    assert!(wrote.0.is_empty(), "{:?}", wrote.0);
    rig.apply();
    assert!(rig.rules().is_empty());
}

struct Wrote(Vec<Verdict>);

impl store::Act for Wrote {
    fn record(&mut self, _: &Decision, _: &Request) -> Result<(), Failure> {
        Ok(())
    }

    fn act(&mut self, decision: &Decision, _: &Request) -> Result<(), Failure> {
        self.0.push(decision.answer.verdict);
        Ok(())
    }
}

#[test]
fn what_waits_again_goes_on_waiting_when_the_answer_before_is_taken_back() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    answer(&mut rig.state, &id, yes(Lifetime::Session)).unwrap();
    rig.apply();
    let other = Occurrence { run: Some("ba9876543210".into()), ..Occurrence::now("x".into()) };
    record(&mut rig.state, &asker("search"), &egress("a.example"), &other, 1).unwrap();
    rig.decide(&id, Answer { verdict: Verdict::Revoke, ..yes(Lifetime::Always) }).unwrap();
    assert!(rig.rules().is_empty());
    assert_eq!(find(&rig.state, &id).unwrap().unwrap().0.standing, Standing::Pending);
}

#[test]
fn no_answer_is_for_longer_than_there_are_years() {
    let mut rig = Rig::new();
    let id = rig.asked("a.example");
    let last = crate::calendar::LAST;
    let failure = rig.decide(&id, yes(Lifetime::Until { end: last + 1 })).unwrap_err();
    assert!(failure.what.contains("9999"), "{failure}");
    rig.decide(&id, yes(Lifetime::Until { end: last })).unwrap();
    assert_eq!(rig.rules().len(), 1);
}
