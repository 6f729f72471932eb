//! `jail api`: what the command line does, for programs.

use super::ui;
use crate::api::listen::{Listeners, loopback};
use crate::api::record::{act_of, recorded_in};
use crate::api::{self, App, devices, pairing};
use crate::approvals::Via;
use crate::console;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::state::{PATIENCE, State};
use serde::Serialize;
use std::net::SocketAddr;

/// Serve this workspace to programs: rules, approvals, ports, runs and the audit log, over HTTP.
///
/// At a unix socket that only you can use; with --listen also at a loopback address, for devices that you
/// paired. `jail api --openapi` describes it. It serves until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ApiArgs {
    #[command(subcommand)]
    act: Option<Act>,
    /// Also listen here, for paired devices: 127.0.0.1:PORT or [::1]:PORT. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    listen: Option<SocketAddr>,
    /// Show a code that pairs a device.
    #[arg(long, requires = "listen")]
    pair: bool,
    /// Print `{"unix", "tcp", "code", "pid"}` when it serves, on one line: the socket's path, the address as
    /// a URL, the code that pairs a device.
    #[arg(long)]
    json: bool,
    /// Print the OpenAPI description and end.
    #[arg(long, conflicts_with_all = ["listen", "pair", "json"])]
    openapi: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    Pair(PairArgs),
    Devices(DevicesArgs),
}

/// Show a code that pairs a device with the API that serves this workspace.
///
/// It lives two minutes and works once.
#[derive(Debug, clap::Args)]
struct PairArgs {
    /// Print `{"code", "seconds"}`.
    #[arg(long)]
    json: bool,
}

/// See and revoke what was paired.
#[derive(Debug, clap::Args)]
struct DevicesArgs {
    #[command(subcommand)]
    act: DevicesAct,
}

#[derive(Debug, clap::Subcommand)]
enum DevicesAct {
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// List the devices that were paired.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print `{"devices": [{"id", "name", "created_at", "seen_at", "revoked_at"}]}`; times are seconds since
    /// 1970.
    #[arg(long)]
    json: bool,
}

/// Take a device's token no more; what it watches ends.
#[derive(Debug, clap::Args)]
struct RevokeArgs {
    /// As `list` shows it.
    #[arg(value_name = "ID")]
    id: String,
}

/// What `--json` prints when it serves.
#[derive(Debug, Serialize)]
struct Serving {
    unix: String,
    tcp: Option<String>,
    code: Option<String>,
    pid: u32,
}

pub fn run(args: &ApiArgs) -> Result<u8, Failure> {
    match &args.act {
        Some(Act::Pair(args)) => pair(args),
        Some(Act::Devices(args)) => match &args.act {
            DevicesAct::List(args) => list(args),
            DevicesAct::Revoke(args) => revoke(args),
        },
        None if args.openapi => {
            let text = api::document();
            print(
                &text
                    .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?,
            )?;
            Ok(exit::OK)
        }
        None => serve(args),
    }
}

fn place() -> Result<(Sources, WorkspaceRoot), Failure> {
    let sources = Sources::of_process()?;
    let root =
        WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
    Ok((sources, root))
}

fn serve(args: &ApiArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    let listeners = Listeners::bind(&root, args.listen)?;
    // It cannot be opened at all: better said now than to whoever asks.
    let mut state = State::open(&root, PATIENCE)?;
    let code = if args.pair { Some(pairing::offer(&mut state)?.to_string()) } else { None };
    drop(state);
    let app = App::new(sources, root)?;
    let serving = Serving {
        unix: listeners.path().display().to_string(),
        tcp: listeners.at().map(|at| format!("http://{at}")),
        code,
        pid: std::process::id(),
    };
    if args.json {
        let text = serde_json::to_string(&serving);
        print(&format!("{}\n", text.map_err(cannot)?))?;
    } else {
        tell(&serving);
    }
    let pages = console::routes(&app, listeners.at())?;
    api::serve(&app, api::with_pages(app.clone(), pages), listeners)?;
    Ok(exit::OK)
}

fn tell(serving: &Serving) {
    ui::line(&format!("jail: serving at unix:{}", serving.unix));
    if let Some(tcp) = &serving.tcp {
        ui::line(&format!("jail: serving at {tcp}, for paired devices"));
    }
    if let Some(code) = &serving.code {
        ui::line(&format!("jail: code for one device, for two minutes: {code}"));
    }
}

fn pair(args: &PairArgs) -> Result<u8, Failure> {
    let (_, root) = place()?;
    let code = pairing::offer(&mut State::open(&root, PATIENCE)?)?.to_string();
    let seconds = pairing::LIFE.as_secs();
    if args.json {
        print(&format!("{}\n", serde_json::json!({ "code": code, "seconds": seconds })))?;
    } else {
        print(&format!("{code}\n"))?;
        ui::line(&format!("for one device, for {seconds} seconds"));
    }
    Ok(exit::OK)
}

fn list(args: &ListArgs) -> Result<u8, Failure> {
    let (_, root) = place()?;
    let devices = devices::list(&State::open(&root, PATIENCE)?)?;
    if args.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "devices": devices }));
        print(&format!("{}\n", text.map_err(cannot)?))?;
        return Ok(exit::OK);
    }
    let time = |seconds: u64| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let mut text = String::new();
    if !devices.is_empty() {
        text += &format!("{:<12}  {:<20}  {:<20}  {:<8}  NAME\n", "ID", "PAIRED", "SEEN", "STATE");
    }
    for device in &devices {
        let state = if device.revoked_at.is_some() { "revoked" } else { "paired" };
        let (paired, seen) = (time(device.created_at), time(device.seen_at));
        text += &format!("{:<12}  {paired}  {seen}  {state:<8}  {}\n", device.id, device.name);
    }
    print(&text)?;
    if devices.is_empty() {
        ui::line("no device is paired; `jail api pair` shows a code for one");
    }
    Ok(exit::OK)
}

fn revoke(args: &RevokeArgs) -> Result<u8, Failure> {
    let (_, root) = place()?;
    let mut state = State::open(&root, PATIENCE)?;
    let none = || {
        Failure::new(Kind::Usage, format!("there is no device `{}`", args.id))
            .hint("jail api devices list shows them")
    };
    let known = devices::list(&state)?.into_iter().find(|device| device.id == args.id);
    let title = known.ok_or_else(none)?.title();
    let act = act_of(["api devices revoke", &title], super::approvals::user(), Via::Cli);
    let log = super::audit::log_path(None)?;
    recorded_in(&log, act, || devices::revoke(&mut state, &args.id))?.ok_or_else(none)?;
    ui::line(&format!("revoked: {title}"));
    Ok(exit::OK)
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

fn cannot(error: serde_json::Error) -> Failure {
    Failure::new(Kind::Io, "cannot write JSON").because(error)
}
