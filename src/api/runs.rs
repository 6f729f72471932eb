//! What runs now, and what confines it.

use super::input::Path;
use super::problem::Problem;
use super::{App, Caller};
use crate::audit::{
    Applied, AuditError, Event, Network, Reader, RunEnd, RunId, RunStart, Sandbox, Text,
};
use crate::egress::Counters;
use crate::failure::Failure;
use crate::session::running::{self, lives};
use crate::supervise::gauge;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::time::SystemTime;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Runs {
    /// Oldest first.
    pub runs: Vec<Run>,
    /// Lines of the audit log that could not be read.
    pub damaged: u64,
}

/// One running jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Run {
    pub run: RunId,
    pub connector: Text,
    pub tool: Option<Text>,
    /// The supervisor's.
    pub pid: u32,
    pub since: String,
    /// The program alone.
    pub command: Text,
    pub sandbox: Sandbox,
    /// What went through the proxy; `null` where there is no way out, or where that cannot be read.
    pub network: Option<Counters>,
}

/// A run as the audit log has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: Run,
    pub lives: bool,
    /// What confines it, once that is proven.
    pub applied: Option<Applied>,
    /// Controls that its owner allowed to be missing and that are missing.
    pub gaps: Vec<Text>,
    pub kernel: Text,
    pub jail_version: Text,
    /// Calls that fail are recorded.
    pub traced: bool,
    /// How it ended, where that is recorded.
    pub ended: Option<RunEnd>,
}

/// List what runs now.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs",
    responses((status = 200, description = "What runs now.", body = Runs))
)]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Sent<Runs>, Problem> {
    app.work(|app| living(app).map(Sent)).await
}

/// Those of this workspace that its owner started.
pub fn living(app: &App) -> Result<Runs, Failure> {
    let found = running::running(app.log())?;
    let own = nix::unistd::getuid().as_raw();
    let starts = found.starts.into_iter().filter(|(_, start)| start.uid == own);
    let runs = starts.filter_map(|(since, start)| look(since, &start)).collect();
    Ok(Runs { runs, damaged: found.damaged })
}

/// `None` where it has ended meanwhile.
fn look(since: SystemTime, start: &RunStart) -> Option<Run> {
    let network = match start.network {
        Some(Network::Proxy) => match gauge::read(start.pid, start.run.as_str()) {
            Ok(counters) => Some(counters.unwrap_or_default()),
            Err(_) if !lives(start) => return None,
            Err(_) => None,
        },
        _ => None,
    };
    Some(of(since, start, network))
}

fn of(since: SystemTime, start: &RunStart, network: Option<Counters>) -> Run {
    let RunStart { run, connector, tool, pid, command, backend, .. } = start.clone();
    let since = humantime::format_rfc3339_seconds(since).to_string();
    Run { run, connector, tool, pid, since, command, sandbox: backend, network }
}

/// Show a run, also one that has ended, and what confines it.
#[utoipa::path(
    get, path = "/v1/runs/{run}", tag = "runs",
    params(("run" = RunId, Path, description = "Its id, or the beginning of it.")),
    responses((status = 200, description = "The run.", body = RunDetail))
)]
pub(super) async fn get(
    State(app): State<App>,
    _: Caller,
    Path(run): Path<String>,
) -> Result<Sent<RunDetail>, Problem> {
    app.work(move |app| {
        let found = detail(app, &run)?;
        found.map(Sent).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "the audit log has no such run")
                .hint("GET /v1/runs lists what runs now")
        })
    })
    .await
}

/// The run of this id. `None`: the log has none.
pub fn detail(app: &App, run: &str) -> Result<Option<RunDetail>, Failure> {
    let path = app.log();
    if run.is_empty() || !path.exists() {
        return Ok(None);
    }
    let mut reader = Reader::open(path, false)?;
    let unread = |source| AuditError::Io { call: "read", path: path.to_owned(), source };
    let mut found: Option<RunDetail> = None;
    while let Some(entry) = reader.next_entry().map_err(unread)? {
        if !entry.run.as_str().starts_with(run) {
            continue;
        }
        let same = found.as_ref().is_some_and(|one| one.run.run == entry.run);
        match (entry.event, found.as_mut().filter(|_| same)) {
            (Some(Event::RunStart(start)), _) => found = Some(begun(entry.time, start)),
            (Some(Event::Applied(applied)), Some(run)) => run.applied = Some(applied),
            (Some(Event::RunEnd(end)), Some(run)) => {
                run.lives = false;
                run.ended = Some(end);
            }
            _ => {}
        }
    }
    Ok(found)
}

fn begun(time: SystemTime, start: RunStart) -> RunDetail {
    let lives = lives(&start);
    let now = look(time, &start).filter(|_| lives);
    let run = now.unwrap_or_else(|| of(time, &start, None));
    let RunStart { gaps, kernel, jail_version, traced, .. } = start;
    RunDetail { run, lives, applied: None, gaps, kernel, jail_version, traced, ended: None }
}
