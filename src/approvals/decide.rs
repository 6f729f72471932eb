//! One answer, from the words of its owner to the files that count.

use super::answer::{Answer, Decision, Lifetime, Verdict};
use super::request::{Request, RequestId, Standing, Subject};
use super::{apply, store};
use crate::audit;
use crate::failure::{Failure, Kind};
use crate::policy::load::WorkspaceRoot;
use crate::session::running;
use crate::state::State;
use std::collections::HashSet;
use std::path::Path;

/// Answers a request, or takes the answer back, and sees to it that the files say so. What comes back was
/// read from them.
///
/// An error after the answer was written down says so: it is applied by whoever answers next.
pub fn decide(
    state: &mut State,
    root: &WorkspaceRoot,
    home: Option<&Path>,
    id: &RequestId,
    answer: Answer,
) -> Result<Decision, Failure> {
    let decision = match answer.verdict {
        Verdict::Revoke => store::revoke(state, id, answer)?,
        Verdict::Approve | Verdict::Deny => {
            // One that does not wait is told so below.
            let waits = |(request, _): &(Request, _)| request.standing == Standing::Pending;
            if let Some((request, _)) = store::find(state, id)?.filter(waits) {
                possible(root, &request, &answer)?;
            }
            store::answer(state, id, answer)?
        }
    };
    let all = apply::apply(state, root, home);
    let decisions = store::find(state, id)?.map(|(_, decisions)| decisions).unwrap_or_default();
    let written = decisions.into_iter().find(|it| it.number == decision.number);
    match written {
        // What else could not be applied is another answer's matter.
        Some(written) if written.applied => Ok(written),
        Some(written) => Err(not_applied(id, &written, all)),
        None => Err(Failure::new(Kind::Io, format!("the answer to request {id} is gone"))
            .because(format!("{} was changed by another program", state.path().display()))),
    }
}

fn not_applied(id: &RequestId, decision: &Decision, all: Result<(), Failure>) -> Failure {
    let mut failure = Failure::new(
        Kind::Io,
        format!("the answer to request {id} is written down, but not in effect"),
    );
    match (&decision.failed, all) {
        (Some(why), Err(other)) if *why == other.what => {
            failure.causes.push(other.what);
            failure.causes.extend(other.causes);
            failure.hints.extend(other.hints);
        }
        (Some(why), _) => failure.causes.push(why.clone()),
        (None, Err(other)) => failure.causes.push(other.what),
        (None, Ok(())) => {}
    }
    let failure = failure.hint("the next answer to any request tries it again");
    match decision.answer.verdict {
        Verdict::Revoke => failure,
        Verdict::Approve | Verdict::Deny => {
            failure.hint(format!("jail approvals revoke {id} takes it back"))
        }
    }
}

/// The runs of this workspace that go on.
pub fn running(root: &WorkspaceRoot) -> Result<HashSet<String>, Failure> {
    let Some(log) = audit::path_for(Some(&root.path), None, None) else {
        return Ok(HashSet::new());
    };
    let found = running::running(&log)?;
    Ok(found.starts.into_iter().map(|(_, start)| start.run.to_string()).collect())
}

/// Does the run that asked last still go on? False where no run asked.
pub fn runs_still(root: &WorkspaceRoot, request: &Request) -> Result<bool, Failure> {
    let Some(run) = &request.latest.run else { return Ok(false) };
    Ok(running(root)?.contains(run.as_str()))
}

/// An answer for a run that is over would count for nothing; a port that another has cannot be given.
fn possible(root: &WorkspaceRoot, request: &Request, answer: &Answer) -> Result<(), Failure> {
    if let (Subject::Port { .. }, Verdict::Approve) = (&request.subject, answer.verdict) {
        return apply::may_register(root, request);
    }
    let of_run = matches!(answer.lifetime, Lifetime::Once | Lifetime::Session);
    let Some(run) = request.latest.run.as_ref().filter(|_| of_run) else { return Ok(()) };
    if runs_still(root, request)? {
        return Ok(());
    }
    let what =
        format!("run {run}, which asked, has ended: an answer for it alone would do nothing");
    Err(Failure::new(Kind::Usage, what).hint("--until 2h or --always counts for the next run, too"))
}
