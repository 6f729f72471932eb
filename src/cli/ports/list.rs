//! `jail ports list`.

use super::{ServiceJson, address, holder, place, print, print_json, shown};
use crate::approvals::{self, Request, RequestId, Subject};
use crate::audit::Text;
use crate::calendar::stamp;
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::load::WorkspaceRoot;
use crate::ports::{Judgement, Proto, Registry, ServiceName, store};
use crate::state::{PATIENCE, State};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Print the registry: every service with its port, and the ranges that are reserved.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print what was asked for and is not answered instead, each with the command that grants it.
    #[arg(long)]
    pending: bool,
    /// Print `{"services": […], "reserved": […], "policy": {…}, "pending": NUMBER}`; with --pending
    /// `{"pending": […]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    services: Vec<ServiceJson<'a>>,
    reserved: Vec<ReservedJson<'a>>,
    policy: PolicyJson,
    /// How many requests wait for an answer.
    pending: usize,
}

#[derive(Debug, Serialize)]
struct ReservedJson<'a> {
    connector: &'a str,
    first: u16,
    last: u16,
}

#[derive(Debug, Serialize)]
struct PolicyJson {
    unregistered: Judgement,
    non_loopback: Judgement,
}

#[derive(Debug, Serialize)]
struct Pending<'a> {
    pending: Vec<PendingJson<'a>>,
}

#[derive(Debug, Serialize)]
struct PendingJson<'a> {
    id: &'a RequestId,
    service: &'a ServiceName,
    proto: Proto,
    port: u16,
    bind: IpAddr,
    /// `null`: the entry is to name none.
    connector: Option<&'a str>,
    reason: &'a Text,
    by: Option<&'a Text>,
    /// The last time that it was asked for.
    at: String,
    times: u64,
    /// The command that grants it.
    change: String,
}

pub(super) fn run(args: &ListArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    if args.pending {
        return pending(&root, args.json);
    }
    let registry = store::read(&root)?;
    let waiting = waiting(&root)?.len();
    if args.json {
        print_json(&report(&registry, waiting))?;
        return Ok(exit::OK);
    }
    print(&table(&registry, &sources.cwd))?;
    if registry.services.is_empty() && registry.reserved.is_empty() {
        ui::line("nothing is registered; `jail ports add NAME --port PORT` makes an entry");
    }
    match waiting {
        0 => {}
        1 => ui::line("1 request waits for an answer: jail ports list --pending"),
        more => ui::line(&format!("{more} requests wait for an answer: jail ports list --pending")),
    }
    Ok(exit::OK)
}

fn report(registry: &Registry, pending: usize) -> Report<'_> {
    let reserved = registry.reserved.iter().map(|it| ReservedJson {
        connector: &it.connector,
        first: it.range.first(),
        last: it.range.last(),
    });
    let policy = registry.policy;
    Report {
        services: registry.services.iter().map(ServiceJson::of).collect(),
        reserved: reserved.collect(),
        policy: PolicyJson { unregistered: policy.unregistered, non_loopback: policy.non_loopback },
        pending,
    }
}

fn table(registry: &Registry, cwd: &Path) -> String {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let services = registry.services.iter().map(|service| {
        [
            service.name.to_string(),
            service.proto.to_string(),
            address(service).to_string(),
            holder(service),
            dash(&service.owner),
            shown(&service.origin, cwd),
            service.note.clone().unwrap_or_default(),
        ]
    });
    let reserved = registry.reserved.iter().map(|it| {
        [
            "(reserved)".to_owned(),
            "-".to_owned(),
            it.range.to_string(),
            format!("connector {}", it.connector),
            "-".to_owned(),
            shown(&it.origin, cwd),
            String::new(),
        ]
    });
    let rows: Vec<[String; 7]> = services.chain(reserved).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["service", "proto", "address", "who", "owner", "where", "note"];
    aligned(std::iter::once(head.map(str::to_owned)).chain(rows).collect())
}

/// Columns as wide as what is in them.
fn aligned(rows: Vec<[String; 7]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// What waits for an answer; to look makes no database.
fn waiting(root: &WorkspaceRoot) -> Result<Vec<Request>, Failure> {
    match State::find(root, PATIENCE)? {
        Some(state) => approvals::pending_ports(&state),
        None => Ok(Vec::new()),
    }
}

fn pending(root: &WorkspaceRoot, json: bool) -> Result<u8, Failure> {
    let requests = waiting(root)?;
    let pending: Vec<PendingJson<'_>> = requests.iter().filter_map(PendingJson::of).collect();
    if json {
        print_json(&Pending { pending })?;
        return Ok(exit::OK);
    }
    print(&pending.iter().map(PendingJson::words).collect::<String>())?;
    if requests.is_empty() {
        ui::line("nobody waits for a port");
    }
    Ok(exit::OK)
}

impl<'a> PendingJson<'a> {
    fn of(request: &'a Request) -> Option<Self> {
        let Subject::Port { service, proto, at, open } = &request.subject else { return None };
        let (connector, id) = (request.asker.connector.as_str(), &request.id);
        Some(Self {
            id,
            service,
            proto: *proto,
            port: at.port(),
            bind: at.ip(),
            connector: (!open).then_some(connector),
            reason: &request.latest.reason,
            by: request.latest.by.as_ref(),
            at: stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(request.last_at)),
            times: request.times,
            change: format!("jail approvals approve {id}"),
        })
    }

    fn words(&self) -> String {
        let Self { service, proto, port, bind, reason, by, at, change, .. } = self;
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        let at_port = SocketAddr::new(*bind, *port);
        format!("{service}: {proto} {at_port}, asked for {at}{by} ({reason})\n  {change}\n")
    }
}
