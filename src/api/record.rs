//! What is changed by the API is on record before it takes effect.

use super::problem::Problem;
use super::{App, Caller};
use crate::approvals::Via;
use crate::audit::{Act, AuditError, Event, Log, RunId, Text};
use crate::failure::{Failure, Kind};
use std::path::Path;

/// Does `what`, after it was recorded. An act that cannot be recorded does not take place.
pub(crate) fn recorded<T>(
    app: &App,
    caller: &Caller,
    act: [&str; 2],
    what: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Problem> {
    let act = act_of(act, caller.by(), caller.via);
    recorded_in(app.log(), act, what).map_err(Into::into)
}

/// An act, what it is about, whose it is, and by which way.
pub(crate) fn act_of([act, object]: [&str; 2], by: Text, via: Via) -> Act {
    Act { run: RunId::fresh(), act: act.into(), object: object.into(), by, via, failed: None }
}

/// The same with this log.
pub(crate) fn recorded_in<T>(
    log: &Path,
    act: Act,
    what: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    note(log, act.clone())?;
    what().map_err(|failure| not_done(log, act, failure))
}

/// Says that it is going to be.
pub(super) fn note(log: &Path, act: Act) -> Result<(), Failure> {
    let written = Log::open(log).and_then(|log| log.append(&Event::Act(act)));
    written.map(drop).map_err(unrecorded)
}

/// Says that it did not come to that after all.
pub(super) fn not_done(log: &Path, act: Act, failure: Failure) -> Failure {
    let failed = Some(Text::new(&failure.what));
    match note(log, Act { failed, ..act }) {
        Ok(()) => failure,
        Err(unrecorded) => failure.because(unrecorded.what),
    }
}

fn unrecorded(error: AuditError) -> Failure {
    let what = "the audit log cannot be written, and nothing is changed unrecorded".to_owned();
    Failure { kind: Kind::Io, what, ..Failure::from(error) }
}
