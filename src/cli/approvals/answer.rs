//! `jail approvals approve`, `deny`, `revoke` and `dismiss`.

use super::{Place, Wanted, find, ui, user, words};
use crate::approvals::{
    self, Answer, Decision, Lifetime, Request, Scope, Standing, Subject, Verdict, Via,
};
use crate::audit::Text;
use crate::cli::firewall::until;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::{Rule, store as firewall};
use crate::policy::Origin;
use crate::policy::text::plain_text;
use crate::ports::store as registry;
use crate::state::{PATIENCE, State};
use std::time::{Duration, SystemTime};

/// Say yes. A connection that is held goes on at once; one that was refused goes through when it is tried again.
///
/// Without --once, --session, --until or --always the answer is for the run that asked. Where that run has
/// ended, one of --until and --always has to be given: what lasts is said, never assumed. A port is registered,
/// which is for good.
#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    common: Common,
}

/// Say no. A connection that is held is refused at once.
///
/// Without --once, --session, --until or --always the answer is for the run that asked, and for good where
/// that run has ended. What is denied is not asked for again.
#[derive(Debug, clap::Args)]
pub(super) struct DenyArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The requests.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Wanted>,
    /// For one connection of the run that asked.
    #[arg(long, group = "lifetime")]
    once: bool,
    /// For the run that asked.
    #[arg(long, group = "lifetime")]
    session: bool,
    /// Until then: a time from now (`2h`, `7days`) or a moment (`2026-12-01T00:00:00Z`).
    #[arg(long, value_name = "TIME", group = "lifetime", value_parser = until)]
    until: Option<SystemTime>,
    /// For good.
    #[arg(long, group = "lifetime")]
    always: bool,
    /// For whom: the tool that asked (without this, where there is one), the connector that asked, or every
    /// connector of the workspace.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<Scope>,
    /// Why; kept with the answer.
    #[arg(long, value_name = "TEXT", value_parser = plain_text)]
    why: Option<String>,
}

/// Take an answer back: what was approved is refused again and its connections are cut, what was denied is asked
/// for again.
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The requests.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Wanted>,
    /// Why; kept with the answer.
    #[arg(long, value_name = "TEXT", value_parser = plain_text)]
    why: Option<String>,
}

/// Take requests off the list without an answer. They come back when they are asked for again.
#[derive(Debug, clap::Args)]
pub(super) struct DismissArgs {
    /// The requests.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Wanted>,
}

pub(super) fn approve(args: &ApproveArgs) -> Result<u8, Failure> {
    answer(Verdict::Approve, &args.common)
}

pub(super) fn deny(args: &DenyArgs) -> Result<u8, Failure> {
    answer(Verdict::Deny, &args.common)
}

fn answer(verdict: Verdict, args: &Common) -> Result<u8, Failure> {
    if args.until.is_some_and(|end| end <= SystemTime::now()) {
        return Err(Failure::new(Kind::Usage, "--until names a time that is over"));
    }
    each(&args.ids, |place, state, request| {
        let answer = Answer {
            verdict,
            lifetime: lifetime(verdict, args, place, request)?,
            scope: args.scope.unwrap_or_else(|| scope(request)),
            by: user(),
            via: Via::Cli,
            why: args.why.as_deref().map(Text::new),
            run: None,
        };
        decide(place, state, request, answer)
    })
}

pub(super) fn revoke(args: &RevokeArgs) -> Result<u8, Failure> {
    each(&args.ids, |place, state, request| {
        let answer = Answer {
            verdict: Verdict::Revoke,
            lifetime: Lifetime::Always,
            scope: scope(request),
            by: user(),
            via: Via::Cli,
            why: args.why.as_deref().map(Text::new),
            run: None,
        };
        decide(place, state, request, answer)
    })
}

pub(super) fn dismiss(args: &DismissArgs) -> Result<u8, Failure> {
    each(&args.ids, |_, state, request| {
        approvals::dismiss(state, &request.id)?;
        ui::line(&format!("{}: taken off the list, unanswered", request.subject));
        Ok(())
    })
}

/// Does it for every request; one that fails keeps none of the others from its answer.
fn each(
    ids: &[Wanted],
    act: impl Fn(&Place, &mut State, &Request) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    let place = Place::find()?;
    let requests = find(place.look()?.as_ref(), ids)?;
    let mut state = State::open(&place.root, PATIENCE)?;
    let mut failures = Vec::new();
    for request in &requests {
        failures.extend(act(&place, &mut state, request).err());
    }
    let Some(last) = failures.pop() else { return Ok(exit::OK) };
    failures.iter().for_each(ui::failure);
    Err(last)
}

fn decide(
    place: &Place,
    state: &mut State,
    request: &Request,
    answer: Answer,
) -> Result<(), Failure> {
    let home = place.sources.home.as_deref();
    let decision = approvals::decide(state, &place.root, home, &request.id, answer)?;
    ui::line(&said(place, request, &decision)?);
    Ok(())
}

fn scope(request: &Request) -> Scope {
    request.asker.scopes().first().copied().unwrap_or(Scope::Global)
}

fn lifetime(
    verdict: Verdict,
    args: &Common,
    place: &Place,
    request: &Request,
) -> Result<Lifetime, Failure> {
    let Common { once, session, until, always, .. } = args;
    if let Some(end) = until {
        let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(Lifetime::Until { end: end.as_secs() });
    }
    match (once, session, always, &request.subject) {
        (true, ..) => return Ok(Lifetime::Once),
        (_, true, ..) => return Ok(Lifetime::Session),
        (_, _, true, _) | (.., Subject::Port { .. }) => return Ok(Lifetime::Always),
        (false, false, false, Subject::Egress { .. }) => {}
    }
    if request.standing != Standing::Pending || approvals::runs_still(&place.root, request)? {
        return Ok(Lifetime::Session);
    }
    if verdict == Verdict::Deny {
        return Ok(Lifetime::Always);
    }
    let what = match &request.latest.run {
        Some(run) => format!(
            "say how long {} is approved: run {run}, which asked, has ended",
            request.subject
        ),
        None => format!("say how long {} is approved: no run asked for it", request.subject),
    };
    Err(Failure::new(Kind::Usage, what).hint("--until 2h, or --always"))
}

/// What came of it, and where it stands.
fn said(place: &Place, request: &Request, decision: &Decision) -> Result<String, Failure> {
    let (what, answer) = (&request.subject, &decision.answer);
    let verb = match answer.verdict {
        Verdict::Revoke => return Ok(format!("{what}: the answer is taken back")),
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
    };
    let origin = match &request.subject {
        Subject::Egress { .. } => {
            let entries = firewall::read(&place.folder())?.entries;
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(decision.at);
            let mut own = entries.into_iter().map(|entry| entry.rule);
            let said = |rule: &Rule| {
                rule.request.as_deref() == Some(request.id.as_str()) && rule.at == Some(at)
            };
            own.find(said).map(|rule| rule.origin)
        }
        Subject::Port { service, .. } => {
            registry::read(&place.root)?.named(service).map(|service| service.origin.clone())
        }
    };
    let place = match origin {
        Some(Origin::File { path, line, .. }) => {
            let path = path.strip_prefix(&place.sources.cwd).unwrap_or(&path);
            format!(" ({}:{line})", path.display())
        }
        _ => String::new(),
    };
    if let Subject::Port { .. } = &request.subject {
        return Ok(format!("{verb}: {what}{place}"));
    }
    let whom = match answer.scope {
        Scope::Tool => format!("the tool {}", words::tool(request)),
        Scope::Connector => format!("the connector {}", request.asker.connector),
        Scope::Global => "every connector".to_owned(),
    };
    let time = match (answer.lifetime, &answer.run) {
        (Lifetime::Once, Some(run)) => format!("one connection of run {run}"),
        (Lifetime::Session, Some(run)) => format!("run {run}"),
        (Lifetime::Until { .. }, _) => answer.lifetime.to_string(),
        (Lifetime::Once | Lifetime::Session, None) | (Lifetime::Always, _) => "always".to_owned(),
    };
    if answer.verdict == Verdict::Deny && request.denial_is_no_rule() {
        return Ok(format!("{verb}: {what}; no rule is changed by it"));
    }
    Ok(format!("{verb}: {what}, for {whom}, {time}{place}"))
}
