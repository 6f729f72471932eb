//! Answers its own request: in the database, by a rule, or with jail itself.
//!
//! Stopped by: the database and the firewall's files are nowhere in the jail, or covered and read-only.

use super::prelude::*;
use jail::approvals::{
    self, Answer, Asker, Lifetime, Occurrence, Recorded, Scope, Subject, Verdict as Answered, Via,
};
use jail::policy::load::WorkspaceRoot;
use jail::state::{PATIENCE, State};

pub const ATTACK: Attack = Attack {
    name: "approve_itself",
    about: "approve a request through .cloned/state.db",
    setup: |fixture| {
        fixture.workspace();
        let root = WorkspaceRoot { path: fixture.at("ws") };
        std::fs::create_dir_all(root.path.join(".cloned/policy")).expect("a folder");
        let mut state = State::open(&root, PATIENCE).expect("a database");
        let run = Some("0123456789ab".into());
        let latest = Occurrence { run, ..Occurrence::now("not-listed".into()) };
        let recorded = approvals::record(&mut state, &asker(), &subject(), &latest, 1);
        assert!(matches!(recorded, Ok(Recorded::New(_))), "{recorded:?}");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let root = WorkspaceRoot { path: env.path("ws") };
        let tried = State::open(&root, PATIENCE).and_then(|mut state| {
            let id = approvals::RequestId::of(&asker(), &subject());
            let answer = Answer {
                verdict: Answered::Approve,
                lifetime: Lifetime::Always,
                scope: Scope::Global,
                by: "itself".into(),
                via: Via::Cli,
                why: None,
                run: None,
            };
            approvals::answer(&mut state, &id, answer)?;
            approvals::apply(&mut state, &root, None)
        });
        judge(tried.map_err(|failure| io::Error::other(failure.to_string())))
    },
    effect: Some(|fixture, _| {
        let rules = fixture.at("ws/.cloned/policy/firewall.yaml");
        rules.exists().then(|| fs::read_to_string(rules).unwrap_or_default())
    }),
    ..Attack::BASE
};

fn asker() -> Asker {
    Asker::connector("search".parse().expect("a name"), None)
}

fn subject() -> Subject {
    Subject::Egress { host: "evil.test".parse().expect("a host"), port: 443, private: false }
}
