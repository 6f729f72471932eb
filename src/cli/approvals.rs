//! `jail approvals`: what waits for your answer.

mod answer;
mod list;
mod show;
mod watch;
mod words;

use super::ui;
use crate::approvals::{self, Decision, Doubt, Filter, Request, RequestId, Standing, Subject};
use crate::audit::Text;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self as firewall, Folder};
use crate::firewall::{Effect, HostPattern, Rule, Who};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::policy::{ConnectorName, Overrides};
use crate::state::{PATIENCE, State};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// Answer what connectors and agents of this workspace ask for.
///
/// Where `unlisted: ask` says so, a connection to a host that no rule names is held while you are asked, and a
/// run waits that would publish a port which nobody has. Without an answer it is refused, and the request stays:
/// an answer then counts for the next attempt. An answer is a rule of `.cloned/policy` or an entry of
/// `.cloned/ports.yaml`, like one that you write yourself.
///
/// ID is what `list` and the refusal show; its first letters are enough where they are clear, four at least.
#[derive(Debug, clap::Args)]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Approve(answer::ApproveArgs),
    Deny(answer::DenyArgs),
    Revoke(answer::RevokeArgs),
    Dismiss(answer::DismissArgs),
}

pub fn run(args: &ApprovalsArgs) -> Result<u8, Failure> {
    match &args.act {
        Act::List(args) => list::run(args),
        Act::Show(args) => show::run(args),
        Act::Approve(args) => answer::approve(args),
        Act::Deny(args) => answer::deny(args),
        Act::Revoke(args) => answer::revoke(args),
        Act::Dismiss(args) => answer::dismiss(args),
    }
}

/// The workspace that `jail run` would take here.
struct Place {
    sources: Sources,
    root: WorkspaceRoot,
}

impl Place {
    fn find() -> Result<Self, Failure> {
        let sources = Sources::of_process()?;
        let root =
            WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
        Ok(Self { sources, root })
    }

    /// `None`: nobody has asked for anything yet.
    fn look(&self) -> Result<Option<State>, Failure> {
        State::find(&self.root, PATIENCE)
    }

    fn folder(&self) -> Folder {
        Folder::new(&self.root, self.sources.home.as_deref())
    }
}

/// A request with all that helps to decide.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Case {
    #[serde(flatten)]
    request: Request,
    /// Does the run go on that asked last?
    running: bool,
    doubts: Vec<Doubt>,
    /// What was decided before, oldest first.
    answers: Vec<Decision>,
}

/// Puts cases together. What many of them need is read once.
struct Desk<'a> {
    place: &'a Place,
    rules: Vec<Rule>,
    manifests: HashMap<ConnectorName, Vec<Rule>>,
    /// The runs that go on, where somebody has asked for that.
    running: Option<HashSet<String>>,
}

impl<'a> Desk<'a> {
    fn new(place: &'a Place) -> Self {
        // They only help to compare names: a file that is wrong must not hide what waits.
        let rules = match firewall::read(&place.folder()) {
            Ok(overlay) => overlay.rules().0,
            Err(rejection) => {
                let failure = Failure::from(rejection);
                ui::line(&format!("look-alike names are not looked for: {}", failure.what));
                Vec::new()
            }
        };
        Self { place, rules, manifests: HashMap::new(), running: None }
    }

    fn case(&mut self, state: &State, request: Request) -> Result<Case, Failure> {
        let found = approvals::find(state, &request.id)?;
        let answers = found.map(|(_, answers)| answers).unwrap_or_default();
        let doubts = approvals::doubts(&request, &answers, &self.allowed(&request));
        let running = match &request.latest.run {
            Some(run) => self.runs(run)?,
            None => false,
        };
        Ok(Case { request, running, doubts, answers })
    }

    fn runs(&mut self, run: &Text) -> Result<bool, Failure> {
        if self.running.is_none() {
            self.running = Some(approvals::running(&self.place.root)?);
        }
        Ok(self.running.as_ref().is_some_and(|running| running.contains(run.as_str())))
    }

    /// The hosts that the connector may reach already.
    fn allowed(&mut self, request: &Request) -> Vec<HostPattern> {
        if matches!(request.subject, Subject::Port { .. }) {
            return Vec::new();
        }
        let asker = &request.asker;
        let who = Who {
            connector: asker.connector.clone(),
            tool: asker.tool.clone(),
            run: request.latest.run.as_ref().map(|run| run.as_str().to_owned()),
        };
        let own = self.manifests.entry(asker.connector.clone()).or_insert_with(|| {
            // A command has no manifest, and one that is wrong helps nobody to compare names.
            load::connector(&asker.connector, &self.place.sources, &Overrides::default())
                .map(|policy| policy.network.rules)
                .unwrap_or_default()
        });
        let now = SystemTime::now();
        let allows = |rule: &&Rule| rule.effect == Effect::Allow && rule.counts(&who, now);
        self.rules.iter().chain(&*own).filter(allows).map(|rule| rule.host.clone()).collect()
    }
}

/// An id or the beginning of one.
#[derive(Debug, Clone)]
struct Wanted(String);

impl std::str::FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if (4..=10).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected an id as `jail approvals list` shows it, or at least its first four letters")
    }
}

/// The requests with these ids. All are found, or nothing is done.
fn find(state: Option<&State>, wanted: &[Wanted]) -> Result<Vec<Request>, Failure> {
    let all = match state {
        Some(state) => approvals::list(state, &Filter::default())?,
        None => Vec::new(),
    };
    let mut found: Vec<Request> = Vec::new();
    for Wanted(text) in wanted {
        let fits = |it: &&Request| it.id.as_str().starts_with(text.as_str());
        let mut fitting = all.iter().filter(fits);
        let Some(first) = fitting.next() else {
            let what = format!("there is no request {text}");
            return Err(
                Failure::new(Kind::Usage, what).hint("jail approvals list --all shows them")
            );
        };
        let others: Vec<&RequestId> = fitting.map(|it| &it.id).collect();
        if !others.is_empty() {
            let ids: Vec<&str> =
                std::iter::once(&first.id).chain(others).map(RequestId::as_str).collect();
            let what = format!("{text} is the beginning of {} ids", ids.len());
            return Err(Failure::new(Kind::Usage, what).because(ids.join(", ")));
        }
        if !found.iter().any(|known| known.id == first.id) {
            found.push(first.clone());
        }
    }
    Ok(found)
}

/// The user, as answers and requests name them.
pub(super) fn user() -> Text {
    crate::host::user::name().map_or_else(|| Text::new("unknown"), Text::from)
}

fn pending(connector: Option<&ConnectorName>) -> Filter {
    Filter { standing: Some(Standing::Pending), connector: connector.map(ToString::to_string) }
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

fn json(value: &impl Serialize, pretty: bool) -> Result<String, Failure> {
    let text = match pretty {
        true => serde_json::to_string_pretty(value),
        false => serde_json::to_string(value),
    };
    text.map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}
