//! Which hosts connectors may reach.

use super::input::{Json, Query};
use super::problem::Problem;
use super::record::recorded;
use super::{App, Caller};
use crate::approvals::{
    self, Answer as GivenAnswer, Lifetime, Request, RequestId, Scope, Standing, Verdict,
};
use crate::calendar::LAST;
use crate::failure::{Failure, Kind};
use crate::firewall::check::{Answer, Question, check as asked};
use crate::firewall::report::{EntryJson, Report, Verb};
use crate::firewall::store::{self, Entry, Folder, Put, Wanted, target};
use crate::firewall::{Effect, Endpoint, Rule, Unlisted};
use crate::policy::text::plain_text;
use crate::policy::{ConnectorName, Malformed, ToolId};
use crate::state::State as Database;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use utoipa::{IntoParams, ToSchema};

/// List the rules of the workspace's files.
#[utoipa::path(
    get, path = "/v1/firewall", tag = "firewall",
    responses((status = 200, description = "What the files say.", body = Report))
)]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Sent<Report>, Problem> {
    app.work(|app| {
        let overlay = store::read(&folder(app))?;
        Ok::<_, Problem>(Sent(Report::of(&overlay, SystemTime::now())))
    })
    .await
}

fn folder(app: &App) -> Folder {
    Folder::new(app.root(), app.home())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRule {
    effect: Verb,
    /// `api.example.com`, an address, or `*.example.com` for every name below it.
    #[schema(max_length = 260, example = "api.example.com")]
    host: String,
    /// Without this, 443 where it allows and all where it denies.
    #[schema(minimum = 1)]
    port: Option<u16>,
    /// For the connector behind this tool only. At most one of this and `connector` is given.
    #[schema(
        max_length = 128,
        pattern = "^[a-z0-9][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)*@v[0-9]{1,9}$"
    )]
    tool: Option<String>,
    /// For this connector only, whatever tool it stands behind.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    connector: Option<String>,
    /// Why; kept with the rule.
    #[schema(min_length = 1, max_length = 256)]
    reason: Option<String>,
    /// Until when it counts, in seconds since 1970.
    #[schema(maximum = 253402300799u64)]
    expires: Option<u64>,
    /// Any bytes: neither TLS nor HTTP is looked for.
    #[serde(default)]
    raw: bool,
    /// The host may have addresses that are not of the public internet.
    #[serde(default)]
    private: bool,
    /// The client may hide the name that it asks for (Encrypted Client Hello).
    #[serde(default)]
    ech: bool,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PutRule {
    done: Done,
    /// As the file has it now.
    rule: Option<EntryJson>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Done {
    Added,
    Changed,
    Unchanged,
}

/// Allow or deny a host. The rule is there once: a second time it gets the new conditions.
#[utoipa::path(
    put, path = "/v1/firewall/rules", tag = "firewall", request_body = NewRule,
    responses(
        (status = 200, description = "It was there, and has these conditions now.", body = PutRule),
        (status = 201, description = "It is added.", body = PutRule),
    )
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    Json(new): Json<NewRule>,
) -> Result<Response, Problem> {
    app.work(move |app| {
        let wanted = wanted(&caller, &new).map_err(meaningless)?;
        let act = if wanted.effect == Effect::Allow { "firewall allow" } else { "firewall deny" };
        let target = target::of(&wanted.host, wanted.ports, wanted.effect);
        let object = words(target, (&wanted.tool, &wanted.connector));
        let (done, overlay) =
            recorded(app, &caller, [act, &object], || store::put(&folder(app), &wanted))?;
        let now = SystemTime::now();
        let entry = overlay.entries.iter().find(|entry| {
            let rule = &entry.rule;
            rule.effect == wanted.effect
                && rule.host == wanted.host
                && rule.ports == wanted.ports
                && rule.tool == wanted.tool
                && rule.connector == wanted.connector
                && rule.run.is_none()
        });
        let (status, done) = match done {
            Put::Added => (StatusCode::CREATED, Done::Added),
            Put::Changed => (StatusCode::OK, Done::Changed),
            Put::Unchanged => (StatusCode::OK, Done::Unchanged),
        };
        let sent = PutRule { done, rule: entry.map(|entry| EntryJson::of(entry, now)) };
        Ok::<_, Problem>((status, Sent(sent)).into_response())
    })
    .await
}

fn meaningless(why: Malformed) -> Failure {
    Failure::new(Kind::Usage, "this is no rule").because(why)
}

fn wanted(caller: &Caller, new: &NewRule) -> Result<Wanted, Malformed> {
    let (tool, connector) = whom(new.tool.as_deref(), new.connector.as_deref())?;
    let effect = match new.effect {
        Verb::Allow => Effect::Allow,
        Verb::Deny => Effect::Deny,
    };
    if effect == Effect::Deny && (new.raw || new.private || new.ech) {
        return Err(Malformed::because("raw, private and ech are for rules that allow"));
    }
    let expires = match new.expires {
        Some(end) if end > LAST => {
            return Err(Malformed::because("it ends after the year 9999"));
        }
        end => end.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(end)),
    };
    let endpoint = endpoint(&new.host, new.port)?;
    Ok(Wanted {
        effect,
        ports: target::ports(&endpoint, effect),
        host: endpoint.host,
        tool,
        connector,
        run: None,
        once: false,
        request: None,
        reason: new.reason.as_deref().map(plain_text).transpose()?,
        expires,
        raw: new.raw,
        private: new.private,
        ech: new.ech,
        by: plain_text(caller.by().as_str()).ok(),
        at: SystemTime::now(),
    })
}

/// One host, or all below one; the port comes apart.
fn endpoint(host: &str, port: Option<u16>) -> Result<Endpoint, Malformed> {
    // An address of IPv6 is in brackets where a port could follow.
    let bare = host.parse::<std::net::Ipv6Addr>().is_ok();
    let text = if bare { format!("[{host}]") } else { host.to_owned() };
    let endpoint = target::parse(&text)?;
    if endpoint.port.is_some() || port == Some(0) {
        return Err(Malformed::because("the port, from 1 to 65535, stands in `port`"));
    }
    Ok(Endpoint { port, ..endpoint })
}

type Whom = (Option<ToolId>, Option<ConnectorName>);

fn whom(tool: Option<&str>, connector: Option<&str>) -> Result<Whom, Malformed> {
    if tool.is_some() && connector.is_some() {
        return Err(Malformed::because("at most one of tool and connector"));
    }
    Ok((tool.map(str::parse).transpose()?, connector.map(str::parse).transpose()?))
}

fn words(target: Endpoint, whom: (&Option<ToolId>, &Option<ConnectorName>)) -> String {
    match whom {
        (Some(tool), _) => format!("{target} for {tool}"),
        (None, Some(connector)) => format!("{target} for connector {connector}"),
        (None, None) => target.to_string(),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRule {
    /// As the rule names it.
    #[param(max_length = 260, example = "api.example.com")]
    host: String,
    /// Without this, the rules that are written without one.
    #[param(minimum = 1)]
    port: Option<u16>,
    /// The rules for this tool.
    #[param(
        max_length = 128,
        pattern = "^[a-z0-9][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)*@v[0-9]{1,9}$"
    )]
    tool: Option<String>,
    /// The rules for this connector.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    connector: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    removed: Vec<EntryJson>,
}

/// Remove the rules that name exactly this. Connections that nothing else allows are cut.
#[utoipa::path(
    delete, path = "/v1/firewall/rules", tag = "firewall", params(WhichRule),
    responses(
        (status = 200, description = "They are removed.", body = Removed),
        (status = 404, description = "There is no such rule.", body = super::problem::Sent),
    )
)]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<WhichRule>,
) -> Result<Sent<Removed>, Problem> {
    app.work(move |app| {
        let endpoint = endpoint(&which.host, which.port).map_err(meaningless)?;
        let whom = whom(which.tool.as_deref(), which.connector.as_deref()).map_err(meaningless)?;
        let mine = |entry: &Entry| {
            let rule = &entry.rule;
            rule.host == endpoint.host
                && rule.ports == target::ports(&endpoint, rule.effect)
                && (&rule.tool, &rule.connector, &rule.run) == (&whom.0, &whom.1, &None)
        };
        let found = store::read(&folder(app))?.entries.into_iter().filter(mine);
        let now = SystemTime::now();
        let mut removed = Vec::new();
        for entry in found {
            if take_out(app, &caller, &entry)? {
                removed.push(EntryJson::of(&entry, now));
            }
        }
        if removed.is_empty() {
            let what = format!("no rule of the workspace's files names {endpoint}");
            let problem = Problem::new(StatusCode::NOT_FOUND, what);
            return Err(problem.hint("GET /v1/firewall lists them"));
        }
        Ok(Sent(Removed { removed }))
    })
    .await
}

/// Takes a rule out. One that is the answer to a request is taken back there, so that both say the same. False
/// where it is gone already.
pub(crate) fn take_out(app: &App, caller: &Caller, entry: &Entry) -> Result<bool, Problem> {
    let mut state = app.state()?;
    if let Some(id) = answered(&state, entry)? {
        let answer = taken_back(caller);
        approvals::decide(&mut state, app.root(), app.home(), &id, answer)?;
        return Ok(true);
    }
    let rule = &entry.rule;
    let target =
        words(target::of(&rule.host, rule.ports, rule.effect), (&rule.tool, &rule.connector));
    let gone = recorded(app, caller, ["firewall remove", &target], || {
        store::remove(&folder(app), |other| same(&other.rule, rule))
    })?;
    Ok(!gone.is_empty())
}

/// Whatever line it stands in by now.
fn same(one: &Rule, other: &Rule) -> bool {
    let says = |it: &Rule| {
        let whom = (it.tool.clone(), it.connector.clone(), it.run.clone(), it.once);
        (it.effect, it.host.clone(), it.ports, whom, it.request.clone(), it.expires)
    };
    says(one) == says(other)
}

/// The request whose answer this rule is.
fn answered(state: &Database, entry: &Entry) -> Result<Option<RequestId>, Failure> {
    let id = entry.rule.request.as_ref().and_then(|id| id.parse::<RequestId>().ok());
    let Some(id) = id else { return Ok(None) };
    let found = approvals::find(state, &id)?;
    let stands =
        |(it, _): &(Request, _)| matches!(it.standing, Standing::Approved | Standing::Denied);
    Ok(found.is_some_and(|it| stands(&it)).then_some(id))
}

fn taken_back(caller: &Caller) -> GivenAnswer {
    GivenAnswer {
        verdict: Verdict::Revoke,
        lifetime: Lifetime::Always,
        scope: Scope::Connector,
        by: caller.by(),
        via: caller.via,
        why: None,
        run: None,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// One host.
    #[param(max_length = 260, example = "api.example.com")]
    host: String,
    /// 443 without this.
    #[param(minimum = 1)]
    port: Option<u16>,
    /// The connector behind this tool. One of this and `connector` is given.
    #[param(
        max_length = 128,
        pattern = "^[a-z0-9][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)*@v[0-9]{1,9}$"
    )]
    tool: Option<String>,
    /// The connector of this name.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    connector: Option<String>,
}

/// Say whether a connector may reach a host, which rule decides that, and what would change it.
#[utoipa::path(
    get, path = "/v1/firewall/check", tag = "firewall", params(Asked),
    responses((status = 200, description = "What the proxy would decide.", body = Answer))
)]
pub(super) async fn check(
    State(app): State<App>,
    _: Caller,
    Query(question): Query<Asked>,
) -> Result<Sent<Answer>, Problem> {
    app.work(move |app| {
        let target = endpoint(&question.host, question.port).map_err(meaningless)?;
        let whom = whom(question.tool.as_deref(), question.connector.as_deref());
        let (tool, connector) = whom.map_err(meaningless)?;
        if tool.is_none() && connector.is_none() {
            let what = "whose way it is, is missing: tool, or connector";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
        }
        let question = Question { target, connector, tool };
        Ok(Sent(asked(&question, app.sources(), &folder(app))?.answer))
    })
    .await
}

/// What happens to hosts that no rule names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mode {
    unlisted: Unlisted,
}

/// Refuse hosts that no rule names, or hold the connection and ask.
#[utoipa::path(
    put, path = "/v1/firewall/unlisted", tag = "firewall", request_body = Mode,
    responses((status = 200, description = "It is so now.", body = Mode))
)]
pub(super) async fn unlisted(
    State(app): State<App>,
    caller: Caller,
    Json(mode): Json<Mode>,
) -> Result<Sent<Mode>, Problem> {
    app.work(move |app| {
        let act = ["firewall unlisted", mode.unlisted.name()];
        recorded(app, &caller, act, || store::set_unlisted(&folder(app), mode.unlisted))?;
        Ok::<_, Problem>(Sent(mode))
    })
    .await
}
