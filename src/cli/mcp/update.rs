//! A request to reach more: written down, waited for, never granted here.

use super::look::parsed;
use crate::approvals::{
    self, AGENT, Asker, Decision, MOST_OF_ONE, Occurrence, Recorded, RequestId, Standing, Subject,
};
use crate::audit::{self, Asked, Event, RunId, Text};
use crate::failure::{Failure, Kind};
use crate::firewall::address::not_public;
use crate::firewall::store::{self as firewall, Folder, target};
use crate::firewall::{Effect, Endpoint, Host, HostPattern};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::policy::{ConnectorName, Overrides, ToolId};
use crate::state::{PATIENCE, State};
use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime};

/// Domains in one call.
const MOST: usize = 16;
/// Bytes of the reason.
const LONGEST: usize = 500;
/// Between two looks at the database.
const PAUSE: Duration = Duration::from_millis(300);
/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// The tool alone.
    Tool,
    /// The connector behind the tool, whatever it is used for.
    Connector,
    /// Every connector of the workspace.
    Global,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Connector => "connector",
            Self::Global => "global",
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// For whom: the tool alone, the connector behind it, or every connector of the workspace. Ask for the
    /// least.
    scope: Scope,
    /// The tool (`name.of.tool@v1`) that needs it. Not needed with the scope `global`.
    #[serde(default)]
    tool_id: Option<String>,
    /// 1 to 16 hosts: `api.example.com`, with a port where it is not 443 (`db.example.com:5432`), or all below a
    /// name (`*.example.com`).
    #[schemars(length(min = 1, max = 16))]
    domains: Vec<String>,
    /// Why, in a sentence: the owner reads it. At most 500 bytes.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Updated {
    /// Of all domains together: `pending` where one of them waits, else `denied` where one was denied.
    status: Status,
    requests: Vec<One>,
    /// The command by which the owner answers what waits.
    answer_with: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Status {
    /// Nobody has answered yet: nothing is changed.
    Pending,
    /// It counts from now on.
    Approved,
    /// The owner said yes, and the rule could not be written: nothing is changed.
    NotApplied,
    /// The owner said no: nothing is changed.
    Denied,
    /// Taken off the list, or taken back: nothing is changed.
    Dismissed,
}

/// One domain.
#[derive(Debug, Serialize, JsonSchema)]
struct One {
    domain: String,
    port: u16,
    /// The id of the request.
    request: String,
    status: Status,
    /// How long an approval counts: `always`, `until 2026-12-01T00:00:00Z`.
    lifetime: Option<String>,
    /// For whom it counts, as the owner decided: `tool`, `connector` or `global`.
    scope: Option<String>,
    /// The owner's words.
    why: Option<String>,
}

/// A domain that is asked for.
struct Wanted {
    endpoint: Endpoint,
    id: RequestId,
}

/// The workspace that `jail run` would take here.
pub(super) fn place() -> Result<(WorkspaceRoot, Sources), Failure> {
    let sources = Sources::of_process()?;
    let root =
        WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
    Ok((root, sources))
}

pub(super) async fn update(
    arguments: &Arguments,
    wait: Duration,
    context: &RequestContext<RoleServer>,
) -> Result<Updated, Failure> {
    let (root, sources) = place()?;
    let wanted = ask(arguments, &root, &sources, &client(context))?;
    let command = command(arguments.scope, &wanted);
    let (started, mut told) = (Instant::now(), Instant::now());
    loop {
        let updated = look(&root, &wanted, &command)?;
        let gone = context.ct.is_cancelled();
        if updated.status != Status::Pending || started.elapsed() >= wait || gone {
            return Ok(updated);
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress(context, started.elapsed(), wait, &command).await;
        }
        let left = wait.saturating_sub(started.elapsed());
        tokio::select! {
            () = tokio::time::sleep(PAUSE.min(left)) => {}
            () = context.ct.cancelled() => {}
        }
    }
}

/// Where the client wants to hear it. One that does not listen any more is told no more.
async fn progress(
    context: &RequestContext<RoleServer>,
    waited: Duration,
    wait: Duration,
    command: &str,
) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let told = ProgressNotificationParam::new(token, waited.as_secs_f64().floor())
        .with_total(wait.as_secs_f64().ceil())
        .with_message(format!("waiting for the owner's answer: {command}"));
    drop(context.peer.notify_progress(told).await);
}

/// The client as it calls itself.
fn client(context: &RequestContext<RoleServer>) -> Text {
    // Newer clients say it with each request, older ones at the start.
    let at_start = || Some(context.peer.peer_info()?.client_info.clone());
    match context.meta.client_info().or_else(at_start) {
        Some(client) => Text::new(&format!("{} {}", client.name, client.version)),
        None => "an agent".into(),
    }
}

/// Writes all of them down, or none where an argument is wrong.
fn ask(
    arguments: &Arguments,
    root: &WorkspaceRoot,
    sources: &Sources,
    client: &Text,
) -> Result<Vec<Wanted>, Failure> {
    let wrong = |what: String| Failure::new(Kind::Usage, what);
    if arguments.domains.is_empty() || arguments.domains.len() > MOST {
        return Err(wrong(format!("the argument `domains` has 1 to {MOST} hosts")));
    }
    if arguments.reason.trim().is_empty() || arguments.reason.len() > LONGEST {
        let what = format!("the argument `reason` is a text of 1 to {LONGEST} bytes");
        return Err(wrong(what).hint("the owner decides by it"));
    }
    let asker = asker(arguments, sources)?;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for text in &arguments.domains {
        let endpoint = target::parse(text)
            .map_err(|error| wrong("the argument `domains` is wrong".to_owned()).because(error))?;
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    let mut state = State::open(root, PATIENCE)?;
    let mut wanted = Vec::new();
    for endpoint in endpoints {
        let id = write(&mut state, (root, sources), (&asker, &endpoint), arguments, client)?;
        wanted.push(Wanted { endpoint, id });
    }
    Ok(wanted)
}

/// On record first, as what a connector asks for.
fn write(
    state: &mut State,
    (root, sources): (&WorkspaceRoot, &Sources),
    (asker, endpoint): (&Asker, &Endpoint),
    arguments: &Arguments,
    client: &Text,
) -> Result<RequestId, Failure> {
    let subject = subject(endpoint);
    let id = RequestId::of(asker, &subject);
    if counts(root, sources, &id)? {
        return Ok(id);
    }
    let reason = Text::new(&format!("for {}: {}", arguments.scope.name(), arguments.reason));
    let log = audit::path_for(Some(&root.path), None, None)
        .ok_or_else(|| Failure::new(Kind::Io, "there is no place for the audit log"))?;
    audit::Log::open(&log)?.append(&Event::Asked(Asked {
        // It names this request: it belongs to no run.
        run: RunId::fresh(),
        request: id.as_str().into(),
        object: subject.to_string().into(),
        reason: reason.clone(),
        door: None,
        class: None,
        process: Some(client.clone()),
        times: 1,
    }))?;
    let by = Some(crate::cli::approvals::user());
    let latest = Occurrence { process: Some(client.clone()), by, ..Occurrence::now(reason) };
    match approvals::record(state, asker, &subject, &latest, 1)? {
        Recorded::New(id) | Recorded::Again(id) => Ok(id),
        Recorded::Full => Err(Failure::new(
            Kind::Usage,
            format!(
                "too many requests wait for an answer ({MOST_OF_ONE} at most of one connector)"
            ),
        )
        .because(format!("{subject} was not written down"))
        .hint("ask the owner to answer them: jail approvals list")),
    }
}

/// Does a rule still say what was answered before? Then there is nothing to ask.
fn counts(root: &WorkspaceRoot, sources: &Sources, id: &RequestId) -> Result<bool, Failure> {
    let overlay = firewall::read(&Folder::new(root, sources.home.as_deref()))?;
    let now = SystemTime::now();
    Ok(overlay.rules().0.iter().any(|rule| {
        rule.request.as_deref() == Some(id.as_str())
            && rule.effect == Effect::Allow
            && rule.expires.is_none_or(|end| now < end)
    }))
}

fn subject(endpoint: &Endpoint) -> Subject {
    let private = match &endpoint.host {
        HostPattern::Exact(Host::Address(address)) => not_public(*address).is_some(),
        _ => false,
    };
    Subject::Egress { host: endpoint.host.clone(), port: endpoint.port.unwrap_or(443), private }
}

/// The connector behind the tool; the tool where it is for the tool alone.
fn asker(arguments: &Arguments, sources: &Sources) -> Result<Asker, Failure> {
    let Some(text) = arguments.tool_id.as_deref() else {
        if arguments.scope == Scope::Global {
            return Ok(Asker { agent: true, ..Asker::connector(parsed("tool_id", AGENT)?, None) });
        }
        let what = format!("the scope `{}` needs a `tool_id`", arguments.scope.name());
        return Err(Failure::new(Kind::Usage, what));
    };
    let tool: ToolId = parsed("tool_id", text)?;
    let (mut known, mut broken): (Vec<String>, Vec<String>) = Default::default();
    for name in load::connectors(sources)?.unwrap_or_default().names {
        let Ok(policy) = load::connector(&name, sources, &Overrides::default()) else {
            broken.push(name.to_string());
            continue;
        };
        match policy.tool.map(|tool| tool.value) {
            Some(own) if own == tool => return Ok(of(name, tool, arguments.scope)),
            own => known.extend(own.map(|own| own.to_string())),
        }
    }
    let failure = Failure::new(Kind::Usage, format!("no connector stands behind {tool}"));
    let failure = match known.as_slice() {
        [] => failure.because("no connector of this workspace has a tool"),
        known => failure.because(format!("there are {}", known.join(", "))),
    };
    Err(match broken.as_slice() {
        [] => failure,
        broken => {
            let what =
                format!("the manifest of {} is wrong, which could have it", broken.join(", "));
            failure.because(what).hint("jail check says what is wrong")
        }
    })
}

fn of(connector: ConnectorName, tool: ToolId, scope: Scope) -> Asker {
    let tool = (scope == Scope::Tool).then_some(tool);
    Asker { agent: true, ..Asker::connector(connector, tool) }
}

fn command(scope: Scope, wanted: &[Wanted]) -> String {
    let ids: Vec<&str> = wanted.iter().map(|one| one.id.as_str()).collect();
    format!("jail approvals approve {} --scope {} --until 2h", ids.join(" "), scope.name())
}

/// How they stand now.
fn look(root: &WorkspaceRoot, wanted: &[Wanted], command: &str) -> Result<Updated, Failure> {
    let state = State::open(root, PATIENCE)?;
    let mut requests = Vec::new();
    for Wanted { endpoint, id } in wanted {
        let (standing, decision) = match approvals::find(&state, id)? {
            Some((request, decisions)) => (request.standing, decisions.into_iter().next_back()),
            None => (Standing::Dismissed, None),
        };
        requests.push(one(endpoint, id, standing, decision.as_ref()));
    }
    let is = |status| requests.iter().any(|one| one.status == status);
    let order = [Status::Pending, Status::NotApplied, Status::Denied, Status::Dismissed];
    let status = order.into_iter().find(|status| is(*status)).unwrap_or(Status::Approved);
    let answer_with = (status == Status::Pending).then(|| command.to_owned());
    Ok(Updated { status, requests, answer_with })
}

fn one(
    endpoint: &Endpoint,
    id: &RequestId,
    standing: Standing,
    decision: Option<&Decision>,
) -> One {
    let status = match standing {
        Standing::Pending => Status::Pending,
        Standing::Approved if decision.is_some_and(|it| it.applied) => Status::Approved,
        Standing::Approved if decision.is_some_and(|it| it.failed.is_some()) => Status::NotApplied,
        // Its owner said yes this moment; the rule is being written.
        Standing::Approved => Status::Pending,
        Standing::Denied => Status::Denied,
        Standing::Revoked | Standing::Dismissed => Status::Dismissed,
    };
    // What was decided before does not speak of what waits.
    let decision = decision.filter(|_| status != Status::Pending);
    One {
        domain: endpoint.host.to_string(),
        port: endpoint.port.unwrap_or(443),
        request: id.to_string(),
        status,
        lifetime: decision.map(|it| it.answer.lifetime.to_string()),
        scope: decision.map(|it| it.answer.scope.name().to_owned()),
        why: decision.and_then(|it| it.answer.why.as_ref()).map(ToString::to_string),
    }
}
