//! Answers in the audit log.

use super::answer::{Decision, Lifetime};
use super::request::Request;
use crate::audit::{self, Decided, Event, Log, RunId, Text};
use crate::failure::{Failure, Kind};
use crate::policy::load::WorkspaceRoot;

/// Records an answer in the workspace's log, before it takes effect. Where a process is killed in between, it
/// is recorded again by the next one, with the same number.
pub(super) fn log(
    root: &WorkspaceRoot,
    decision: &Decision,
    request: &Request,
) -> Result<(), Failure> {
    let unwritten = |error: audit::AuditError| {
        let reason = Failure::from(error);
        let what = format!("the answer to {} cannot be recorded", request.id);
        Failure { kind: Kind::Refused, what, ..reason }
    };
    // Of a workspace there is always one.
    let Some(path) = audit::path_for(Some(&root.path), None, None) else { return Ok(()) };
    let log = Log::open(&path).map_err(unwritten)?;
    log.append(&Event::Decision(event(decision, request))).map(drop).map_err(unwritten)
}

fn event(decision: &Decision, request: &Request) -> Decided {
    let answer = &decision.answer;
    let of_run = matches!(answer.lifetime, Lifetime::Once | Lifetime::Session);
    let run = answer.run.as_ref().filter(|_| of_run);
    Decided {
        run: run.map_or_else(RunId::fresh, |run| RunId::from(run.as_str())),
        request: request.id.as_str().into(),
        number: decision.number,
        connector: request.asker.connector.as_str().into(),
        tool: request.asker.tool.as_ref().map(|tool| Text::new(tool.as_str())),
        object: request.subject.to_string().into(),
        verdict: answer.verdict,
        lifetime: answer.lifetime.to_string().into(),
        scope: answer.scope,
        by: answer.by.clone(),
        via: answer.via,
        why: answer.why.clone(),
    }
}
