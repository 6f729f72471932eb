//! The workspace as the pages read it and change it. Everything here waits for the disk: it is called where
//! that stops nobody.

use super::limits;
use super::view::{self, RunFacts, Verified};
use crate::api::follow::Started;
use crate::api::{self, App};
use crate::approvals::{self, Answer, Decision, Doubt, Filter, Request, RequestId, Standing};
use crate::audit::{self, Report};
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Entry, Folder, Overlay};
use crate::firewall::{Effect, HostPattern, Rule, Unlisted, Who};
use crate::policy::load;
use crate::policy::{ConnectorName, Overrides};
use crate::ports::{self, Registry};
use crate::state::State;
use crate::supervise::gauge;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A log up to this size is checked whenever its page is looked at.
const QUICK: u64 = 16 << 20;

/// Which records of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) kind: Option<String>,
    pub(super) connector: Option<String>,
    pub(super) run: Option<String>,
}

pub(super) struct Desk {
    app: App,
    folder: Folder,
    checked: Mutex<Option<Checked>>,
}

struct Checked {
    /// Length and change of the log that was checked.
    stamp: (u64, i64, i64),
    at: SystemTime,
    report: Report,
}

/// A request with all that is known about it.
pub(super) struct Case {
    pub(super) request: Request,
    /// Oldest first.
    pub(super) answers: Vec<Decision>,
    pub(super) doubts: Vec<Doubt>,
    /// The run that asked goes on.
    pub(super) lives: bool,
}

impl Desk {
    pub(super) fn new(app: App) -> Self {
        let folder = Folder::new(app.root(), app.home());
        Self { app, folder, checked: Mutex::new(None) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.app.root().path
    }

    pub(super) fn state(&self) -> Result<State, Failure> {
        self.app.state()
    }

    // === what there is

    pub(super) fn pending(&self) -> Result<Vec<Request>, Failure> {
        let filter = Filter { standing: Some(Standing::Pending), ..Filter::default() };
        let mut pending = approvals::list(&self.state()?, &filter)?;
        // Nothing moves when it is asked for again.
        pending.sort_by(|a, b| (a.first_at, a.id.as_str()).cmp(&(b.first_at, b.id.as_str())));
        Ok(pending)
    }

    /// Those that wait, oldest first, and at most so many that do not, the newest first.
    pub(super) fn asked(&self, most: usize) -> Result<(Vec<Case>, Vec<Case>), Failure> {
        let state = self.state()?;
        let mut all = approvals::list(&state, &Filter::default())?;
        all.sort_by(|a, b| (a.first_at, a.id.as_str()).cmp(&(b.first_at, b.id.as_str())));
        let (pending, mut rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|it| it.standing == Standing::Pending);
        rest.sort_by_key(|request| std::cmp::Reverse(request.last_at));
        rest.truncate(most);
        let rules = self.overlay()?.rules().0;
        let mut own = HashMap::new();
        let running: BTreeSet<String> =
            self.app.follow()?.running().iter().map(|it| it.start.run.to_string()).collect();
        let mut cases = |requests: Vec<Request>| {
            let cases = requests.into_iter().map(|request| {
                let found = approvals::find(&state, &request.id)?;
                let answers = found.map(|(_, answers)| answers).unwrap_or_default();
                let allowed = self.allowed(&request, &rules, &mut own);
                let doubts = approvals::doubts(&request, &answers, &allowed);
                let run = request.latest.run.as_ref();
                let lives = run.is_some_and(|run| running.contains(run.as_str()));
                Ok(Case { request, answers, doubts, lives })
            });
            cases.collect::<Result<Vec<_>, Failure>>()
        };
        Ok((cases(pending)?, cases(rest)?))
    }

    /// The hosts that the connector may reach already. Its manifest is read once.
    fn allowed(
        &self,
        request: &Request,
        rules: &[Rule],
        manifests: &mut HashMap<ConnectorName, Vec<Rule>>,
    ) -> Vec<HostPattern> {
        let name = &request.asker.connector;
        let who = Who {
            connector: name.clone(),
            tool: request.asker.tool.clone(),
            run: request.latest.run.as_ref().map(|run| run.as_str().to_owned()),
        };
        let own = manifests.entry(name.clone()).or_insert_with(|| {
            // A command has no manifest, and one that is wrong helps nobody to compare names.
            load::connector(name, self.app.sources(), &Overrides::default())
                .map(|policy| policy.network.rules)
                .unwrap_or_default()
        });
        let now = SystemTime::now();
        let allows = |rule: &&Rule| rule.effect == Effect::Allow && rule.counts(&who, now);
        rules.iter().chain(&*own).filter(allows).map(|rule| rule.host.clone()).collect()
    }

    pub(super) fn overlay(&self) -> Result<Overlay, Failure> {
        Ok(store::read(&self.folder)?)
    }

    /// Is somebody asked about hosts that no rule names?
    pub(super) fn asks(overlay: &Overlay) -> bool {
        overlay.unlisted.as_ref().is_some_and(|setting| setting.value == Unlisted::Ask)
    }

    /// Does the run go on that asked for this?
    pub(super) fn runs_still(&self, id: &RequestId) -> Result<bool, Failure> {
        match approvals::find(&self.state()?, id)? {
            Some((request, _)) => approvals::runs_still(self.app.root(), &request),
            None => Ok(false),
        }
    }

    pub(super) fn runs(&self) -> Result<Vec<RunFacts>, Failure> {
        let mut known: HashMap<String, Started> = {
            let running = self.app.follow()?.running().into_iter();
            running.map(|it| (it.start.run.to_string(), it)).collect()
        };
        let pending = self.pending()?;
        let facts = api::runs::living(&self.app)?.runs.into_iter().map(|running| {
            let id = running.run.as_str();
            let asks = |it: &&Request| it.latest.run.as_ref().is_some_and(|run| run.as_str() == id);
            let waiting = pending.iter().filter(asks).count() as u64;
            let limits = limits::of_run(running.pid, id);
            let started = known.remove(id);
            RunFacts { running, started, limits, waiting }
        });
        Ok(facts.collect())
    }

    pub(super) fn egress(&self, most: usize) -> Result<Vec<view::EgressRow>, Failure> {
        let pending = self.pending()?;
        let follow = self.app.follow()?;
        Ok(view::egress(follow.last(), &pending, most, SystemTime::now()))
    }

    pub(super) fn ports(&self) -> Result<Registry, Failure> {
        ports::store::read(self.app.root())
    }

    /// The newest first.
    pub(super) fn audit(
        &self,
        wanted: &Wanted,
        most: usize,
    ) -> Result<Vec<view::AuditRow>, Failure> {
        let now = SystemTime::now();
        let filter = audit::Filter {
            run: wanted.run.clone(),
            connector: wanted.connector.clone(),
            since: None,
            kind: wanted.kind.clone(),
        };
        let follow = self.app.follow()?;
        let rows = follow.last().rev().filter(|entry: &&audit::Entry| filter.wants(entry));
        Ok(rows.take(most).map(|entry| view::audit_row(entry, now)).collect())
    }

    pub(super) fn log(&self) -> PathBuf {
        self.app.log().to_owned()
    }

    /// Whether the log is whole. A large one is checked when somebody asks for that.
    pub(super) fn verified(&self, ask: bool) -> Result<Verified, Failure> {
        let path = self.log();
        let Ok(meta) = fs::metadata(&path) else {
            return Ok(Verified::not("there is no log yet".to_owned()));
        };
        let stamp = (meta.len(), meta.mtime(), meta.mtime_nsec());
        let mut checked = held(&self.checked);
        let fresh = checked.as_ref().is_some_and(|it| it.stamp == stamp);
        if !fresh && (ask || meta.len() <= QUICK) {
            let report = audit::verify(&path)?;
            *checked = Some(Checked { stamp, at: SystemTime::now(), report });
        }
        let now = SystemTime::now();
        Ok(match checked.as_ref() {
            Some(it) => Verified::of(&it.report, it.at, now),
            None => Verified::not(format!("{} to read", crate::plan::human(meta.len()))),
        })
    }

    /// A number that is another one when a page would look different.
    pub(super) fn mark(&self) -> Result<u64, Failure> {
        let mut mark = DefaultHasher::new();
        approvals::changes(&self.state()?)?.hash(&mut mark);
        let mut follow = self.app.follow()?;
        stamp(follow.path()).hash(&mut mark);
        for run in follow.running() {
            let id = run.start.run.as_str();
            id.hash(&mut mark);
            if let Ok(Some(it)) = gauge::read(run.start.pid, id) {
                (it.allowed, it.denied, it.open, it.bytes_in, it.bytes_out).hash(&mut mark);
            }
        }
        drop(follow);
        let policy = fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = policy.map(|entry| entry.path()).collect();
        files.sort();
        files.push(ports::store::path(self.app.root()));
        files.iter().for_each(|path| stamp(path).hash(&mut mark));
        Ok(mark.finish())
    }

    // === what a person changes

    /// Answers, or takes an answer back.
    pub(super) fn decide(&self, id: &RequestId, answer: Answer) -> Result<Decision, Failure> {
        let (root, home) = (self.app.root(), self.app.home());
        approvals::decide(&mut self.state()?, root, home, id, answer)
    }

    pub(super) fn dismiss(&self, id: &RequestId) -> Result<Request, Failure> {
        approvals::dismiss(&mut self.state()?, id)
    }

    pub(super) fn rule(&self, key: &str) -> Result<Entry, Failure> {
        let found = self.overlay()?.entries.into_iter().find(|entry| view::key(entry) == key);
        found.ok_or_else(|| {
            Failure::new(Kind::Usage, "this rule is not there any more")
                .hint("somebody changed it meanwhile: look again")
        })
    }
}

fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    fs::metadata(path).ok().map(|it| (it.ino(), it.len(), it.mtime(), it.mtime_nsec()))
}

/// What a panic left is whole: nothing here is changed in two steps.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the workspace is called on every page.
pub(super) fn name(root: &Path) -> String {
    let name = root.file_name().unwrap_or(root.as_os_str());
    super::show::text(&name.to_string_lossy())
}
