//! What runs now, what confines it, and its end.

use super::input::{Json, Path};
use super::problem::Problem;
use super::record::recorded;
use super::{App, Caller};
use crate::audit::{Applied, AuditError, Event, Reader, RunEnd, RunId, RunStart, Text};
use crate::failure::{Failure, Kind};
use crate::runs::{self, Outcome, Running};
use crate::session::running::lives;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use utoipa::ToSchema;

/// A request is answered within the guard's time, with what `runs::stop` adds.
const MOST_PATIENCE: u64 = 15;
/// What one who watches saw this lately need not be looked at for the next one.
const FRESH: Duration = Duration::from_millis(250);

#[derive(Debug, Serialize, ToSchema)]
pub struct Runs {
    /// Oldest first.
    pub runs: Vec<Running>,
    /// Lines of the audit log that could not be read.
    pub damaged: u64,
}

/// A run as the audit log has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunDetail {
    pub run: RunId,
    pub connector: Text,
    pub tool: Option<Text>,
    pub since: String,
    pub lives: bool,
    /// As `GET /v1/runs` has it, while it runs.
    pub now: Option<Running>,
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
    // Looked for before the entries: a run that begins between has one.
    let (starts, damaged) = {
        let mut follow = app.follow()?;
        let started = follow.running().into_iter();
        (started.map(|it| (it.since, it.start)).collect(), follow.damaged())
    };
    let now = runs::now_of(app.log(), false, starts, damaged);
    Ok(Runs { runs: now.running, damaged: now.damaged })
}

/// What all who watch are told, and since when it is known.
#[derive(Debug)]
pub(super) struct Watched {
    at: Instant,
    runs: Arc<Vec<Running>>,
}

/// The same for who watches: one look is enough for all of them.
pub(super) fn watched(app: &App) -> Result<Arc<Vec<Running>>, Failure> {
    let mut known = app.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < FRESH) {
        return Ok(known.runs.clone());
    }
    let runs = Arc::new(living(app)?.runs);
    *known = Some(Watched { at: Instant::now(), runs: runs.clone() });
    Ok(runs)
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

/// The run of this id, or the last one whose id begins so. `None`: the log has none.
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
        let same = found.as_ref().is_some_and(|one| one.run == entry.run);
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
    if let Some(found) = found.as_mut().filter(|found| found.lives) {
        let id = found.run.as_str().to_owned();
        found.now = living(app)?.runs.into_iter().find(|one| one.run.as_str() == id);
    }
    Ok(found)
}

fn begun(time: SystemTime, start: RunStart) -> RunDetail {
    let lives = lives(&start);
    let RunStart { run, connector, tool, gaps, kernel, jail_version, traced, .. } = start;
    RunDetail {
        run,
        connector,
        tool,
        since: humantime::format_rfc3339_seconds(time).to_string(),
        lives,
        now: None,
        applied: None,
        gaps,
        kernel,
        jail_version,
        traced,
        ended: None,
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// How many seconds the connector may take to end by itself; 10 without this.
    #[schema(maximum = 15)]
    seconds: Option<u64>,
    /// Kill it at once. It has no chance to write what it has in memory.
    #[serde(default)]
    kill: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stopped {
    run: String,
    connector: String,
    outcome: Outcome,
}

/// End a run of this workspace. Ending what listens ends its connections.
#[utoipa::path(
    post, path = "/v1/runs/{run}/stop", tag = "runs", request_body = Stop,
    params(("run" = RunId, Path)),
    responses(
        (status = 200, description = "How it ended.", body = Stopped),
        (status = 404, description = "Nothing with this id runs here.", body = super::problem::Sent),
    )
)]
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Json(how): Json<Stop>,
) -> Result<Sent<Stopped>, Problem> {
    let seconds = how.seconds.unwrap_or(10);
    if seconds > MOST_PATIENCE {
        let what = format!("`seconds` is a number up to {MOST_PATIENCE}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    app.wait(move |app| end(app, &caller, &run, Duration::from_secs(seconds), how.kill).map(Sent))
        .await
}

/// Ends a run of this workspace; for [`App::wait`] alone.
pub(crate) fn end(
    app: &App,
    caller: &Caller,
    run: &str,
    patience: Duration,
    kill: bool,
) -> Result<Stopped, Problem> {
    let Some(found) = runs::here(app.log(), run)? else {
        let problem = Problem::new(StatusCode::NOT_FOUND, "nothing with this id runs here");
        return Err(problem.hint("GET /v1/runs lists what runs now"));
    };
    let connector = found.connector().to_string();
    let object = format!("{run} ({connector})");
    let outcome = recorded(app, caller, ["stop", &object], || {
        let mut all = [found.stopping()?];
        runs::stop(&mut all, patience, kill)?;
        let [one] = all;
        let why = match one.outcome {
            Outcome::Runs => "the kernel has not let it end yet",
            Outcome::OutOfReach => {
                "its process cannot be found from here: stop it where it was started"
            }
            outcome => return Ok(outcome),
        };
        Err(Failure::new(Kind::Io, format!("{run} still runs")).because(why))
    })?;
    Ok(Stopped { run: run.to_owned(), connector, outcome })
}
