//! The audit log: its records, and whether anybody changed it.

use super::input::Query;
use super::problem::Problem;
use super::{App, Caller};
use crate::audit::{self, AuditError, Entry, Filter, Reader, Report};
use crate::calendar::LAST;
use crate::failure::Failure;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use utoipa::{IntoParams, ToSchema};

/// The most records of one answer.
const MOST: usize = 1000;
const USUAL: usize = 100;
/// What every reader of JSON takes for a whole number.
const MOST_RECORDS: u64 = (1 << 53) - 1;
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only this run: its id, or the beginning of it.
    run: Option<String>,
    /// Only runs of this connector.
    connector: Option<String>,
    /// Only this kind of event: `run-start`, `denial`, `decision` and so on.
    kind: Option<String>,
    /// Not before, in seconds since 1970.
    #[param(maximum = 253402300799u64)]
    since: Option<u64>,
    /// Only records before the one of this number: the next page, backwards.
    #[param(maximum = 9007199254740991u64)]
    before: Option<u64>,
    /// How many; the last ones. 100 without this.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Records as they stand in the log, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Records {
    #[schema(value_type = Vec<Object>)]
    records: Vec<Box<RawValue>>,
    /// There are more before these.
    more: bool,
    /// Lines that are no records; `/v1/audit/verify` says more.
    damaged: u64,
}

/// Read the log.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(Which),
    responses((status = 200, description = "The records.", body = Records))
)]
pub(super) async fn list(
    State(app): State<App>,
    _: Caller,
    Query(which): Query<Which>,
) -> Result<Sent<Records>, Problem> {
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        let what = format!("`limit` is a number from 1 to {MOST}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    if which.before.is_some_and(|before| before > MOST_RECORDS) {
        let what = format!("`before` is a number up to {MOST_RECORDS}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    if which.since.is_some_and(|since| since > LAST) {
        let what = "`since` is after the year 9999";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    app.work(move |app| records(app, &which, limit).map(Sent)).await
}

fn records(app: &App, which: &Which, limit: usize) -> Result<Records, Failure> {
    let path = app.log();
    let mut last: VecDeque<Entry> = VecDeque::new();
    let mut more = false;
    // The first run makes it.
    if !path.exists() {
        return Ok(Records { records: Vec::new(), more, damaged: 0 });
    }
    let since =
        which.since.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    let (run, connector, kind) = (which.run.clone(), which.connector.clone(), which.kind.clone());
    let filter = Filter { run, connector, since, kind };
    let mut reader = Reader::open(path, false)?;
    let unread = |source| AuditError::Io { call: "read", path: path.to_owned(), source };
    while let Some(entry) = reader.next_entry().map_err(unread)? {
        if which.before.is_some_and(|before| entry.seq >= before) || !filter.wants(&entry) {
            continue;
        }
        last.push_back(entry);
        if last.len() > limit {
            last.pop_front();
            more = true;
        }
    }
    let raw = |entry: Entry| RawValue::from_string(entry.line).ok();
    Ok(Records {
        records: last.into_iter().filter_map(raw).collect(),
        more,
        damaged: reader.damaged(),
    })
}

/// Whether the log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdict {
    file: String,
    sound: bool,
    #[serde(flatten)]
    report: Report,
}

/// Check the whole log: each record, their order and the end.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit",
    responses(
        (status = 200, description = "What was found.", body = Verdict),
        (status = 404, description = "There is no log yet.", body = super::problem::Sent),
    )
)]
pub(super) async fn verify(State(app): State<App>, _: Caller) -> Result<Sent<Verdict>, Problem> {
    app.work(|app| {
        let path = app.log();
        let nothing = "there is no audit log yet: the first run makes it";
        let report = match audit::verify(path) {
            // A head without its log is a finding, and not this.
            Err(AuditError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && !path.exists() =>
            {
                return Err(Problem::new(StatusCode::NOT_FOUND, nothing));
            }
            other => other?,
        };
        Ok(Sent(Verdict { file: path.display().to_string(), sound: report.is_sound(), report }))
    })
    .await
}
