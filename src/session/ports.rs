//! What a run is told of the registry of ports, and what is asked of its owner.

use crate::approvals::{self, Decision, Occurrence, Recorded, Request, RequestId, Standing};
use crate::audit::Text;
use crate::cli::ui;
use crate::failure::Failure;
use crate::firewall::Unlisted;
use crate::plan::{self, Facts, PortFacts, Stage, publish};
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::policy::{ConnectorName, Policy};
use crate::ports::{Proto, ServiceName, store};
use crate::state::{PATIENCE, State};
use std::time::{Duration, Instant};

/// How often a run that waits looks for its answer.
const PAUSE: Duration = Duration::from_millis(50);

/// The workspace's registry as it is now. Only a run that publishes depends on it.
pub(super) fn facts(policy: &Policy, sources: &Sources) -> Result<PortFacts, Failure> {
    if policy.ports.iter().all(|port| port.value.publish.is_none()) {
        return Ok(PortFacts::default());
    }
    let registry = match WorkspaceRoot::find(&sources.cwd)? {
        Some(root) => store::read(&root)?,
        None => crate::ports::Registry::default(),
    };
    Ok(PortFacts { registry, user: crate::host::user::name() })
}

/// Asks for the ports that were refused. Where its owner is to be asked first (`unlisted: ask`), the run waits
/// for the answer as long as a connection would; `Ok`: all of them are registered now. Else the refusal, with
/// what answers it.
pub(super) fn ask(
    refusal: Failure,
    policy: &Policy,
    facts: &Facts,
    sources: &Sources,
) -> Result<(), Failure> {
    let asked = publish::asked(policy, facts);
    let (Some(Stage::Network), false) = (refusal.stage, asked.is_empty()) else {
        return Err(refusal);
    };
    let unnoted = |refusal: Failure, failure: &Failure| {
        refusal.because(format!("no request could be noted: {}", failure.what))
    };
    let root = match WorkspaceRoot::find(&sources.cwd) {
        Ok(Some(root)) => root,
        Ok(None) => return Err(refusal),
        Err(failure) => return Err(unnoted(refusal, &failure)),
    };
    let (state, ids) = match note(&root, policy, &asked) {
        Ok(noted) => noted,
        Err(failure) => return Err(unnoted(refusal, &failure)),
    };
    if ids.is_empty() {
        return Err(refusal.hint("too many requests wait for an answer: jail approvals list"));
    }
    let words: Vec<&str> = ids.iter().map(RequestId::as_str).collect();
    let command = format!("jail approvals approve {}", words.join(" "));
    // A port that somebody else has is refused whatever is answered.
    let answerable = ids.len() == publish::refused(policy, facts);
    let refusal = if plan::unlisted(policy, facts).value == Unlisted::Ask && answerable {
        let hold = policy.network.hold.value;
        let shown = humantime::format_duration(hold);
        ui::line(&format!("jail: waiting {shown} for an answer: {command}"));
        match wait(&state, &ids, hold)? {
            Waited::Approved => return Ok(()),
            Waited::Denied(decision) => return Err(denied(refusal, decision)),
            Waited::Unanswered => refusal.because(format!("nobody answered within {shown}")),
        }
    } else {
        refusal
    };
    Err(refusal.hint(format!("it is noted as a request: {command}")))
}

/// Writes the requests down; those that fit on the list.
fn note(
    root: &WorkspaceRoot,
    policy: &Policy,
    asked: &[publish::Ungranted],
) -> Result<(State, Vec<RequestId>), Failure> {
    let mut state = State::open(root, PATIENCE)?;
    let mut ids = Vec::new();
    for port in asked {
        let name = port.entry.as_deref().and_then(|name| ServiceName::new(name).ok());
        let Some(name) = name else { continue };
        let connector: Option<&ConnectorName> = port.connector.as_ref().map(|_| &policy.name);
        let (asker, subject) = approvals::port(connector, &name, Proto::Tcp, port.at);
        let reason = Text::from(format!("jail run {}", policy.name));
        let by = crate::host::user::name().map(Text::from);
        let occurrence = Occurrence { by, ..Occurrence::now(reason) };
        match approvals::record(&mut state, &asker, &subject, &occurrence, 1)? {
            Recorded::New(id) | Recorded::Again(id) => ids.push(id),
            Recorded::Full => {}
        }
    }
    Ok((state, ids))
}

enum Waited {
    /// All of them, and the registry says so.
    Approved,
    /// One of them, by this answer; none where it was taken off the list.
    Denied(Option<Decision>),
    Unanswered,
}

fn wait(state: &State, ids: &[RequestId], hold: Duration) -> Result<Waited, Failure> {
    let end = Instant::now() + hold;
    let mut last = None;
    loop {
        let now = approvals::changes(state)?;
        if last.replace(now) != Some(now)
            && let Some(waited) = answered(state, ids)?
        {
            return Ok(waited);
        }
        if Instant::now() >= end {
            return Ok(Waited::Unanswered);
        }
        std::thread::sleep(PAUSE);
    }
}

fn answered(state: &State, ids: &[RequestId]) -> Result<Option<Waited>, Failure> {
    let mut approved = 0;
    for id in ids {
        let Some((request, mut decisions)) = approvals::find(state, id)? else { continue };
        let Request { standing, .. } = request;
        let last = decisions.pop();
        match standing {
            Standing::Pending => {}
            Standing::Approved => approved += usize::from(last.is_some_and(|last| last.applied)),
            Standing::Denied | Standing::Revoked => return Ok(Some(Waited::Denied(last))),
            Standing::Dismissed => return Ok(Some(Waited::Denied(None))),
        }
    }
    Ok((approved == ids.len()).then_some(Waited::Approved))
}

fn denied(refusal: Failure, decision: Option<Decision>) -> Failure {
    let Some(decision) = decision else {
        return refusal.because("the request was taken off the list without an answer");
    };
    let answer = decision.answer;
    let why = answer.why.map(|why| format!(": {why}")).unwrap_or_default();
    refusal.because(format!("request {} was denied by {}{why}", decision.request, answer.by))
}
