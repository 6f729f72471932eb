//! `jail firewall`: which hosts the connectors of this workspace may reach.

mod check;
mod export;
mod host;
mod list;
mod proxy;
mod put;
mod remove;
mod unlisted;

pub(super) use put::until;

use super::ui;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{Folder, target};
use crate::firewall::{Effect, Rule};
use crate::policy::Origin;
use crate::policy::load::{self, Sources, WorkspaceRoot};
use serde::Serialize;
use std::path::Path;

/// Say which hosts the connectors of this workspace may reach.
///
/// The rules are in `.cloned/policy/*.yaml`, and those of a connector in its manifest. What no rule
/// allows is refused; a rule that denies beats every rule that allows. A change reaches running
/// connectors at once, and `remove` and `deny` cut the connections that are open.
///
/// HOST is `api.example.com`, an address, or `*.example.com` for every name below it (not for
/// `example.com` itself).
#[derive(Debug, clap::Args)]
pub struct FirewallArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    List(list::ListArgs),
    Allow(put::AllowArgs),
    Deny(put::DenyArgs),
    Remove(remove::RemoveArgs),
    Check(check::CheckArgs),
    Proxy(proxy::ProxyArgs),
    Unlisted(unlisted::UnlistedArgs),
    Export(export::ExportArgs),
}

pub fn run(args: &FirewallArgs) -> Result<u8, Failure> {
    match &args.act {
        Act::List(args) => list::run(args),
        Act::Allow(args) => put::allow(args),
        Act::Deny(args) => put::deny(args),
        Act::Remove(args) => remove::run(args),
        Act::Check(args) => check::run(args),
        Act::Proxy(args) => proxy::run(args),
        Act::Unlisted(args) => unlisted::run(args),
        Act::Export(args) => export::run(args),
    }
}

/// The workspace that `jail run` would take here.
fn place() -> Result<(Sources, Folder), Failure> {
    let sources = Sources::of_process()?;
    let root =
        WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
    let folder = Folder::new(&root, sources.home.as_deref());
    Ok((sources, folder))
}

/// A rule in words: `allow api.example.com for a.b@v1`.
fn words(rule: &Rule) -> String {
    let verb = verb(rule.effect);
    let target = target::of(&rule.host, rule.ports, rule.effect);
    match whom(rule).as_str() {
        "" => format!("{verb} {target}"),
        whom => format!("{verb} {target} for {whom}"),
    }
}

/// Whom a rule is for: `a.b@v1`, `connector search`, `run 0123456789ab`; empty where it is for all.
fn whom(rule: &Rule) -> String {
    let tool = rule.tool.as_ref().map(ToString::to_string);
    let connector = rule.connector.as_ref().map(|name| format!("connector {name}"));
    let count = if rule.once { "one connection of run" } else { "run" };
    let run = rule.run.as_ref().map(|run| format!("{count} {run}"));
    [tool, connector, run].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// A rule's place as a person looks for it: from the current folder where it is below that.
fn shown(origin: &Origin, cwd: &Path) -> String {
    match origin {
        Origin::File { path, line, .. } => {
            format!("{}:{line}", path.strip_prefix(cwd).unwrap_or(path).display())
        }
        other => other.to_string(),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    print(&format!("{text}\n"))
}
