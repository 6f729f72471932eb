//! `jail ports`: who may bind which port of this machine.

mod add;
mod allocate;
mod list;
mod remove;
mod request;

use super::ui;
use crate::approvals::{self, Via};
use crate::failure::{Failure, Kind};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::policy::text::plain_text;
use crate::policy::{Malformed, Origin};
use crate::ports::store::decode;
use crate::ports::{Proto, Registry, Service};
use crate::state::{PATIENCE, State};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Say who may bind which port of this machine.
///
/// The registry is `.cloned/ports.yaml`: services, each with its one port, and ranges that are kept for one
/// connector. A connector publishes the ports that its manifest names and the registry has for it, and no
/// other.
#[derive(Debug, clap::Args)]
pub struct PortsArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    List(list::ListArgs),
    Add(add::AddArgs),
    Remove(remove::RemoveArgs),
    Allocate(allocate::AllocateArgs),
    Request(request::RequestArgs),
}

/// What an entry may say besides its name and port.
#[derive(Debug, clap::Args)]
struct Details {
    /// tcp or udp; tcp without this.
    #[arg(long, value_name = "PROTO")]
    proto: Option<Proto>,
    /// The address that it listens on; 127.0.0.1 without this.
    #[arg(long, value_name = "ADDRESS", value_parser = decode::bind)]
    bind: Option<IpAddr>,
    /// Other machines may reach it: --bind names an address that is not of the loopback.
    #[arg(long)]
    non_loopback: bool,
    /// The user, by name or number, that the socket must belong to.
    #[arg(long, value_name = "USER", value_parser = decode::owner)]
    owner: Option<String>,
    /// The connector that may publish it.
    #[arg(long, value_name = "NAME", value_parser = decode::connector)]
    #[arg(conflicts_with_all = ["container", "program"])]
    connector: Option<String>,
    /// The container that publishes it.
    #[arg(long, value_name = "NAME", value_parser = decode::container, conflicts_with = "program")]
    container: Option<String>,
    /// The program that listens: an absolute path, or the last part of one.
    #[arg(long, value_name = "PATH", value_parser = decode::program)]
    program: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT", value_parser = plain_text)]
    note: Option<String>,
}

pub fn run(args: &PortsArgs) -> Result<u8, Failure> {
    match &args.act {
        Act::List(args) => list::run(args),
        Act::Add(args) => add::run(args),
        Act::Remove(args) => remove::run(args),
        Act::Allocate(args) => allocate::run(args),
        Act::Request(args) => request::run(args),
    }
}

/// The workspace that `jail run` would take here.
fn place() -> Result<(Sources, WorkspaceRoot), Failure> {
    let sources = Sources::of_process()?;
    let root =
        WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
    Ok((sources, root))
}

/// A range on the command line.
fn range(text: &str) -> Result<crate::ports::PortRange, Malformed> {
    decode::range(text)
}

fn address(service: &Service) -> SocketAddr {
    SocketAddr::new(service.bind, service.port.get())
}

/// Who listens there: `connector web`; `-` where the entry does not say.
fn holder(service: &Service) -> String {
    let Service { connector, container, program, .. } = service;
    [("connector", connector), ("container", container), ("program", program)]
        .into_iter()
        .find_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?)))
        .unwrap_or_else(|| "-".to_owned())
}

/// An entry in words: `web: tcp 127.0.0.1:3000, connector web`.
fn words(service: &Service) -> String {
    let holder = match holder(service).as_str() {
        "-" => String::new(),
        holder => format!(", {holder}"),
    };
    format!("{}: {} {}{holder}", service.name, service.proto, address(service))
}

/// An entry's place as a person looks for it: from the current folder where it is below that.
fn shown(origin: &Origin, cwd: &Path) -> String {
    match origin {
        Origin::File { path, line, .. } => {
            format!("{}:{line}", path.strip_prefix(cwd).unwrap_or(path).display())
        }
        other => other.to_string(),
    }
}

/// Answers the requests that this entry grants, and says so. False where nobody had asked.
///
/// The entry counts, whatever becomes of the requests: a failure is said, and is none of the command.
fn answer(sources: &Sources, root: &WorkspaceRoot, service: &Service) -> bool {
    let (home, by) = (sources.home.as_deref(), super::approvals::user());
    let granted = State::find(root, PATIENCE).and_then(|state| match state {
        Some(mut state) => approvals::granted_by(&mut state, root, home, service, (&by, Via::Cli)),
        None => Ok(Vec::new()),
    });
    match granted {
        Ok(granted) => {
            for request in &granted {
                let by =
                    request.latest.by.as_ref().map(|by| format!(" of {by}")).unwrap_or_default();
                ui::line(&format!("this grants the request {}{by}", request.id));
            }
            !granted.is_empty()
        }
        Err(failure) => {
            ui::line("it is registered; whether somebody had asked for it cannot be told:");
            ui::failure(&failure);
            false
        }
    }
}

/// What `--json` prints of a service.
#[derive(Debug, Serialize)]
struct ServiceJson<'a> {
    name: &'a str,
    proto: Proto,
    port: u16,
    bind: IpAddr,
    owner: Option<&'a str>,
    connector: Option<&'a str>,
    container: Option<&'a str>,
    program: Option<&'a str>,
    note: Option<&'a str>,
    file: Option<String>,
    line: Option<u32>,
}

impl<'a> ServiceJson<'a> {
    fn of(service: &'a Service) -> Self {
        let (file, line) = match &service.origin {
            Origin::File { path, line, .. } => (Some(path.display().to_string()), Some(*line)),
            Origin::BuiltIn(_) | Origin::Flag(_) => (None, None),
        };
        Self {
            name: service.name.as_str(),
            proto: service.proto,
            port: service.port.get(),
            bind: service.bind,
            owner: service.owner.as_deref(),
            connector: service.connector.as_deref(),
            container: service.container.as_deref(),
            program: service.program.as_deref(),
            note: service.note.as_deref(),
            file,
            line,
        }
    }
}

/// The entry as the file has it now, for its place.
fn written<'a>(registry: &'a Registry, service: &'a Service) -> &'a Service {
    registry.named(&service.name).unwrap_or(service)
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    print(&format!("{text}\n"))
}
