//! What runs and answers left: rules for one run, which leave the firewall's files with it, and answers of
//! processes that were killed.

use super::running;
use crate::approvals::{self, RequestId};
use crate::audit::{self, RunId};
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Entry, Folder};
use crate::policy::load::WorkspaceRoot;
use crate::state::{PATIENCE, State};
use std::collections::BTreeSet;
use std::path::Path;

/// Puts answers into effect whose process was killed after it had written them down.
pub(super) fn answers(root: &WorkspaceRoot, home: Option<&Path>) -> Result<(), Failure> {
    if let Some(mut state) = State::find(root, PATIENCE)? {
        let Err(why) = approvals::apply(&mut state, root, home) else { return Ok(()) };
        // What is approved and not in effect grants nothing; what is denied or taken back would still be granted.
        if let Some(request) = approvals::kept_from_denying(&state)? {
            return Err(out_of_effect(&request, why));
        }
        ui::failure(&why);
    }
    Ok(())
}

fn out_of_effect(request: &RequestId, why: Failure) -> Failure {
    let what = format!(
        "the last word about request {request} is no, and the firewall's files do not say so"
    );
    let mut failure = Failure::new(Kind::Refused, what).because(&why.what);
    failure.causes.extend(why.causes);
    failure.hints = why.hints;
    failure.hint("the next run, and the next answer to any request, try it again")
}

/// Removes what was answered for this run alone.
pub(super) fn of_run(folder: &Folder, run: &str) -> Result<(), Failure> {
    let ours = |entry: &Entry| entry.rule.run.as_deref() == Some(run);
    if store::read(folder)?.entries.iter().any(ours) {
        store::remove(folder, ours)?;
    }
    Ok(())
}

/// The same for runs whose supervisor was killed. The log says which runs there are: a rule for one that it
/// does not know is of no use to anybody.
pub(super) fn of_killed(folder: &Folder, root: &WorkspaceRoot) -> Result<(), Failure> {
    let runs = |entries: &[Entry]| -> BTreeSet<String> {
        entries.iter().filter_map(|entry| entry.rule.run.clone()).collect()
    };
    if runs(&store::read(folder)?.entries).is_empty() {
        return Ok(());
    }
    let Some(log) = audit::path_for(Some(&root.path), None, None) else { return Ok(()) };
    let running = running::running(&log)?;
    if running.damaged > 0 {
        // One of them could be the start of a run that lives.
        return Ok(());
    }
    let alive: Vec<RunId> = running.starts.into_iter().map(|(_, start)| start.run).collect();
    let dead = |entry: &Entry| {
        entry.rule.run.as_ref().is_some_and(|run| alive.iter().all(|one| one.as_str() != run))
    };
    store::remove(folder, dead).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Log, RunStart, Sandbox};
    use crate::firewall::Effect;
    use crate::firewall::store::{Wanted, put, target};
    use crate::host::process;
    use std::time::SystemTime;

    fn wanted(host: &str, run: Option<&str>) -> Wanted {
        let endpoint = target::parse(host).unwrap();
        Wanted {
            effect: Effect::Allow,
            ports: target::ports(&endpoint, Effect::Allow),
            host: endpoint.host,
            tool: None,
            connector: None,
            run: run.map(str::to_owned),
            once: false,
            request: None,
            reason: None,
            expires: None,
            raw: false,
            private: false,
            ech: false,
            by: None,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    fn start(run: &str, pid: u32) -> Event {
        Event::RunStart(RunStart {
            run: run.into(),
            connector: "search".into(),
            tool: None,
            backend: Sandbox::Namespace,
            plan_sha256: crate::audit::Digest::ZERO,
            jail_version: "0".into(),
            kernel: "6".into(),
            pid,
            born: process::born(pid),
            network: None,
            uid: 0,
            command: "x".into(),
            gaps: Vec::new(),
            traced: false,
        })
    }

    #[test]
    fn rules_of_runs_that_are_over_go_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".cloned")).unwrap();
        let root = WorkspaceRoot { path: folder.path().to_owned() };
        let rules = Folder::new(&root, None);
        for (host, run) in
            [("a.test", None), ("b.test", Some("alive0000000")), ("c.test", Some("killed000000"))]
        {
            put(&rules, &wanted(host, run)).unwrap();
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let log = Log::open(&audit::path_for(Some(folder.path()), None, None).unwrap()).unwrap();
        log.append(&start("alive0000000", std::process::id())).unwrap();
        log.append(&start("killed000000", child.id())).unwrap();
        let hosts = || -> Vec<String> {
            let entries = store::read(&rules).unwrap().entries;
            entries.iter().map(|entry| entry.rule.host.to_string()).collect()
        };
        of_killed(&rules, &root).unwrap();
        assert_eq!(hosts(), ["a.test", "b.test", "c.test"], "both run");
        child.kill().unwrap();
        child.wait().unwrap();
        of_killed(&rules, &root).unwrap();
        assert_eq!(hosts(), ["a.test", "b.test"]);
        of_run(&rules, "alive0000000").unwrap();
        assert_eq!(hosts(), ["a.test"]);
    }

    /// An answer whose process was killed before it wrote the rule, and files that cannot be changed.
    #[test]
    fn a_no_that_is_not_in_effect_is_no_start() {
        use crate::approvals::{
            Answer, Asker, Lifetime, Occurrence, Recorded, Scope, Subject, Verdict, Via,
        };
        let place = tempfile::tempdir().unwrap();
        let root = WorkspaceRoot { path: place.path().to_owned() };
        std::fs::create_dir(place.path().join(".cloned")).unwrap();
        let mut state = State::open(&root, PATIENCE).unwrap();
        let asker = Asker::connector("search".parse().unwrap(), None);
        let subject =
            Subject::Egress { host: "a.example".parse().unwrap(), port: 443, private: false };
        let now = Occurrence::now("not-listed".into());
        let asked = approvals::record(&mut state, &asker, &subject, &now, 1).unwrap();
        let Recorded::New(id) = asked else { panic!("{asked:?}") };
        let answer = |verdict| Answer {
            verdict,
            lifetime: Lifetime::Always,
            scope: Scope::Connector,
            by: "ann".into(),
            via: Via::Cli,
            why: None,
            run: None,
        };
        approvals::answer(&mut state, &id, answer(Verdict::Approve)).unwrap();
        let policy = place.path().join(".cloned/policy");
        std::fs::create_dir(&policy).unwrap();
        std::fs::write(policy.join("firewall.yaml"), "version: 1\nrules: {}\n").unwrap();
        // A yes that is not in effect grants nothing.
        answers(&root, None).unwrap();
        approvals::revoke(&mut state, &id, answer(Verdict::Revoke)).unwrap();
        let failure = answers(&root, None).unwrap_err();
        assert!(failure.what.contains(id.as_str()), "{failure}");
        std::fs::write(policy.join("firewall.yaml"), "version: 1\n").unwrap();
        answers(&root, None).unwrap();
    }
}
