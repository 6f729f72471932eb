//! `jail ports list`.

use super::{ServiceJson, address, holder, place, print, print_json, shown};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::load::WorkspaceRoot;
use crate::ports::requests::{self, Request};
use crate::ports::{Judgement, Registry, store};
use serde::Serialize;
use std::path::Path;

/// Print the registry: every service with its port, and the ranges that are reserved.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print what was asked for and is not granted instead, each with the command that grants it.
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
    #[serde(flatten)]
    request: &'a Request,
    /// The command that grants it.
    change: String,
}

pub(super) fn run(args: &ListArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    if args.pending {
        return pending(&root, args.json);
    }
    let registry = store::read(&root)?;
    let waiting = requests::pending(&root)?.len();
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

fn pending(root: &WorkspaceRoot, json: bool) -> Result<u8, Failure> {
    let requests = requests::pending(root)?;
    if json {
        let json = |request| PendingJson { request, change: Request::command(request) };
        print_json(&Pending { pending: requests.iter().map(json).collect() })?;
        return Ok(exit::OK);
    }
    let text: String = requests.iter().map(request).collect();
    print(&text)?;
    if requests.is_empty() {
        ui::line("nobody waits for a port");
    }
    Ok(exit::OK)
}

fn request(request: &Request) -> String {
    let by = request.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let reason = request.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let what = format!("{} {}:{}", request.proto, request.bind, request.port);
    let who = &request.service;
    format!("{who}: {what}, asked for {}{by}{reason}\n  {}\n", request.at, request.command())
}
