//! Which runs a person means.

use super::{Kind, Run};
use crate::failure::{Failure, Kind as FailureKind};

/// Those that no listener in this list answers for: a listener ends its own runs.
pub fn top<'a>(runs: &[&'a Run]) -> Vec<&'a Run> {
    let listens = |id: &crate::audit::Text| {
        runs.iter().any(|run| run.record.kind == Kind::Listener && run.record.run == *id)
    };
    let own = |run: &&&Run| !run.record.of.as_ref().is_some_and(listens);
    runs.iter().filter(own).copied().collect()
}

/// The one run with this id, in whatever workspace; else the one run of a connector with this name in this
/// one.
pub fn found<'a>(runs: &'a [Run], name: &str, bucket: &str) -> Result<&'a Run, Failure> {
    if let Some(run) = runs.iter().find(|run| run.record.run.as_str() == name) {
        return Ok(run);
    }
    let here: Vec<&Run> = runs.iter().filter(|run| run.bucket == bucket).collect();
    let named: Vec<&Run> =
        here.iter().filter(|run| run.record.connector.as_str() == name).copied().collect();
    match top(&named).as_slice() {
        [run] => Ok(run),
        [] => {
            let missing =
                Failure::new(FailureKind::Usage, format!("nothing called {name} runs here"));
            Err(there_is(missing, &here, "jail ps --all-workspaces lists other workspaces"))
        }
        many => {
            let what = format!("{} runs of {name} are there", many.len());
            let ambiguous = Failure::new(FailureKind::Usage, what);
            Err(there_is(ambiguous, many, &format!("name one of them, or --all {name}")))
        }
    }
}

/// The newest of a connector, or the one with this id.
pub fn newest<'a>(runs: &'a [Run], name: &str, bucket: &str) -> Option<(&'a Run, usize)> {
    if let Some(run) = runs.iter().find(|run| run.record.run.as_str() == name) {
        return Some((run, 1));
    }
    let named = |run: &&Run| run.bucket == bucket && run.record.connector.as_str() == name;
    let last = runs.iter().rfind(named)?;
    Some((last, runs.iter().filter(named).count()))
}

fn there_is(failure: Failure, runs: &[&Run], hint: &str) -> Failure {
    let mut list = String::new();
    for run in runs.iter().take(20) {
        let record = &run.record;
        let more = if record.kind == Kind::Listener { ", listens" } else { "" };
        let comma = if list.is_empty() { "" } else { "; " };
        let (run, connector, since) = (&record.run, &record.connector, &record.started);
        list += &format!("{comma}{run} ({connector}, since {since}{more})");
    }
    let cause = if list.is_empty() {
        "nothing of yours runs here".to_owned()
    } else {
        format!("there is {list}")
    };
    failure.because(cause).hint(hint)
}
