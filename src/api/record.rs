//! What is changed by the API is on record before it takes effect.

use super::problem::Problem;
use super::{App, Caller};
use crate::audit::{Act, AuditError, Event, Log, RunId, Text};
use crate::failure::{Failure, Kind};

/// Does `what`, after it was recorded. An act that cannot be recorded does not take place.
pub(crate) fn recorded<T>(
    app: &App,
    caller: &Caller,
    [act, object]: [&str; 2],
    what: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Problem> {
    let log = Log::open(app.log()).map_err(unrecorded)?;
    let event = Act {
        run: RunId::fresh(),
        act: act.into(),
        object: object.into(),
        by: caller.by(),
        via: caller.via,
        failed: None,
    };
    log.append(&Event::Act(event.clone())).map_err(unrecorded)?;
    what().map_err(|failure| {
        let failed = Some(Text::new(&failure.what));
        match log.append(&Event::Act(Act { failed, ..event })) {
            Ok(_) => failure.into(),
            Err(error) => failure.because(error).into(),
        }
    })
}

fn unrecorded(error: AuditError) -> Failure {
    let what = "the audit log cannot be written, and nothing is changed unrecorded".to_owned();
    Failure { kind: Kind::Io, what, ..Failure::from(error) }
}
