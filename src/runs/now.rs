//! What runs now: those that have an entry, and those that the audit log alone knows.

use super::{Confinement, Kind, Record, Run, bucket, living};
use crate::audit::{AuditError, Network, RunStart, Sandbox, Text};
use crate::egress::Counters;
use crate::session::running::{self, lives};
use crate::supervise::gauge;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;
use utoipa::ToSchema;

/// One running jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Running {
    pub run: Text,
    pub kind: Kind,
    pub connector: Text,
    pub tool: Option<Text>,
    pub workspace: Option<Text>,
    pub pid: u32,
    pub since: Text,
    pub command: Text,
    pub sandbox: Sandbox,
    /// `null` of a run that has no entry.
    pub confinement: Option<Confinement>,
    pub listen: Option<Text>,
    pub of: Option<Text>,
    /// What went through the proxy; `null` where there is no way out, or where that cannot be read.
    pub network: Option<Counters>,
}

/// All that could be found out.
#[derive(Debug)]
pub struct Now {
    /// Oldest first.
    pub running: Vec<Running>,
    /// Lines of the audit log that could not be read.
    pub damaged: u64,
    /// What could not be read, in words.
    pub unread: Vec<String>,
}

/// The runs of this user in the workspace of this log; with `all` those of every workspace.
pub fn now(log: &Path, all: bool) -> Result<Now, AuditError> {
    running::running(log).map(|found| now_of(log, all, found.starts, found.damaged))
}

/// The same, where somebody knows already which starts in this log have no end.
pub fn now_of(log: &Path, all: bool, starts: Vec<(SystemTime, RunStart)>, damaged: u64) -> Now {
    let here = bucket(log);
    let entries = living();
    let known: BTreeSet<String> = entries.iter().map(|run| run.record.run.to_string()).collect();
    let shown = entries.iter().filter(|run| all || run.bucket == here);
    let mut unread = Vec::new();
    let mut running: Vec<Running> =
        shown.filter_map(|entry| of_entry(entry, &mut unread)).collect();
    for (since, start) in starts {
        if start.uid == nix::unistd::getuid().as_raw() && !known.contains(start.run.as_str()) {
            running.extend(of_log(since, start, &mut unread));
        }
    }
    running.sort_by(|a, b| (&a.since, &a.run).cmp(&(&b.since, &b.run)));
    Now { running, damaged, unread }
}

/// `None` where it has ended meanwhile.
fn of_entry(entry: &Run, unread: &mut Vec<String>) -> Option<Running> {
    let record = entry.record.clone();
    let proxied = record.network == Some(Network::Proxy) && record.kind == Kind::Run;
    let network = match proxied {
        true => counters(record.pid, record.run.as_str(), || entry.lives(), unread)?,
        false => None,
    };
    let Record { run, kind, connector, tool, workspace, pid, started, command, sandbox, .. } =
        record;
    let Record { confinement, listen, of, .. } = entry.record.clone();
    Some(Running {
        run,
        kind,
        connector,
        tool,
        workspace,
        pid,
        since: seconds(&started),
        command,
        sandbox,
        confinement: Some(confinement),
        listen,
        of,
        network,
    })
}

/// To the second, as in the audit log's table.
fn seconds(time: &Text) -> Text {
    match time.as_str().split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z").into(),
        None => time.clone(),
    }
}

/// A run that could have no entry, or one of an older version.
pub(crate) fn of_log(
    since: SystemTime,
    start: RunStart,
    unread: &mut Vec<String>,
) -> Option<Running> {
    let network = match start.network {
        Some(Network::Proxy) => counters(start.pid, start.run.as_str(), || lives(&start), unread)?,
        _ => None,
    };
    let RunStart { run, backend, connector, tool, pid, command, .. } = start;
    Some(Running {
        run: run.as_str().into(),
        kind: Kind::Run,
        connector,
        tool,
        workspace: None,
        pid,
        since: humantime::format_rfc3339_seconds(since).to_string().into(),
        command,
        sandbox: backend,
        confinement: None,
        listen: None,
        of: None,
        network,
    })
}

/// `None` where the run has ended meanwhile, `Some(None)` where they cannot be read.
fn counters(
    pid: u32,
    run: &str,
    lives: impl Fn() -> bool,
    unread: &mut Vec<String>,
) -> Option<Option<Counters>> {
    match gauge::read(pid, run) {
        Ok(counters) => Some(Some(counters.unwrap_or_default())),
        Err(_) if !lives() => None,
        Err(error) => {
            unread.push(format!("the counters of run {run} cannot be read: {error}"));
            Some(None)
        }
    }
}
