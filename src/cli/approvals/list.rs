//! `jail approvals list`.

use super::{Case, Desk, Place, json, pending, print, watch, words};
use crate::approvals::{self, Filter};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::ConnectorName;
use serde::Serialize;
use std::time::SystemTime;

/// Print what waits for an answer, what was asked for last at the end. A line with `!` says why to look twice.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// What was answered, too.
    #[arg(long)]
    pub(super) all: bool,
    /// Of this connector only.
    #[arg(long, value_name = "NAME")]
    pub(super) connector: Option<ConnectorName>,
    /// Print `{"requests": […]}`. A request has `id`, `connector`, `tool`, `what` (`egress` with `host`,
    /// `port`, `private`; or `port` with `service`, `proto`, `at`, `open`), `standing`, `first_at`, `last_at`
    /// (seconds since 1970), `times`, `latest`, `running`, `doubts` and `answers`.
    #[arg(long)]
    pub(super) json: bool,
    /// Go on, and show what changes; with --json a request per line, each time that something of it
    /// changes, also when it is answered.
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    requests: Vec<Case>,
}

pub(super) fn run(args: &ListArgs) -> Result<u8, Failure> {
    let place = Place::find()?;
    if args.watch {
        return watch::run(args, &place);
    }
    let requests = cases(args, &place)?;
    if args.json {
        print(&format!("{}\n", json(&Report { requests }, true)?))?;
        return Ok(exit::OK);
    }
    print(&words::table(&requests, args.all, SystemTime::now()))?;
    if requests.is_empty() {
        ui::line("nothing waits for an answer");
    }
    Ok(exit::OK)
}

/// What the arguments ask for, as it is now.
pub(super) fn cases(args: &ListArgs, place: &Place) -> Result<Vec<Case>, Failure> {
    let Some(state) = place.look()? else { return Ok(Vec::new()) };
    let mut filter = pending(args.connector.as_ref());
    if args.all {
        filter = Filter { standing: None, ..filter };
    }
    let mut desk = Desk::new(place);
    let found = approvals::list(&state, &filter)?;
    found.into_iter().map(|request| desk.case(&state, request)).collect()
}
