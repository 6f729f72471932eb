//! The command line: one file per verb.

pub mod api;
pub mod approvals;
pub mod audit;
pub mod check;
pub mod completions;
pub mod compose;
pub mod console;
pub mod doctor;
pub mod explain;
pub mod firewall;
pub mod init;
pub mod logs;
pub mod mcp;
pub mod ports;
pub mod proxy;
pub mod ps;
pub mod run;
pub mod schema;
mod seccomp;
pub mod stop;
pub mod ui;
pub mod why;

use crate::failure::Failure;
use clap::{Args, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

#[cfg(not(feature = "planted-breaks"))]
const VERSION: &str = env!("CARGO_PKG_VERSION");
#[cfg(feature = "planted-breaks")]
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " WITH PLANTED BREAKS: for tests only, its controls can be left out"
);

/// Run connectors (MCP servers and other agent tools) so that they cannot hurt you.
#[derive(Debug, Parser)]
#[command(name = "jail", version = VERSION, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Run(Box<run::RunArgs>),
    Explain(Box<explain::ExplainArgs>),
    Approvals(approvals::ApprovalsArgs),
    Api(api::ApiArgs),
    Console(console::ConsoleArgs),
    Audit(audit::AuditArgs),
    Check(check::CheckArgs),
    Compose(compose::ComposeArgs),
    Firewall(firewall::FirewallArgs),
    Ports(ports::PortsArgs),
    Why(why::WhyArgs),
    Ps(ps::PsArgs),
    Stop(stop::StopArgs),
    Logs(logs::LogsArgs),
    Proxy(Box<proxy::ProxyArgs>),
    Mcp(mcp::McpArgs),
    Init(init::InitArgs),
    Schema(schema::SchemaArgs),
    Doctor(doctor::DoctorArgs),
    Seccomp(seccomp::Seccomp),
    Completions(completions::CompletionsArgs),
    /// The first process of a container that jail runs; of no use elsewhere.
    #[command(name = "container-entry", hide = true)]
    ContainerEntry,
}

/// Parses a command line. `run` is parsed by its own arguments alone: the descriptions of all verbs take
/// a quarter of a millisecond to build, which every start of a connector would pay.
pub fn parse(line: Vec<OsString>) -> Result<Cli, clap::Error> {
    if line.get(1).is_none_or(|verb| verb != "run") || asks_for_help(&line) {
        return Cli::try_parse_from(line);
    }
    let name = clap::Command::new("run").bin_name("jail run");
    let matches =
        run::RunArgs::augment_args(name).try_get_matches_from(line.into_iter().skip(1))?;
    let args = run::RunArgs::from_arg_matches(&matches)?;
    Ok(Cli { verb: Verb::Run(Box::new(args)) })
}

/// Help says where a verb belongs, and how jail is called.
fn asks_for_help(line: &[OsString]) -> bool {
    let own = line.iter().take_while(|word| *word != "--");
    own.into_iter().any(|word| ["-h", "--help", "-V", "--version"].iter().any(|flag| word == flag))
}

/// Runs one verb and gives the exit code of the process.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Approvals(args) => approvals::run(&args),
        Verb::Api(args) => api::run(&args),
        Verb::Console(args) => console::run(&args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Compose(args) => compose::run(&args),
        Verb::Firewall(args) => firewall::run(&args),
        Verb::Ports(args) => ports::run(&args),
        Verb::Why(args) => why::run(&args),
        Verb::Ps(args) => ps::run(&args),
        Verb::Stop(args) => stop::run(&args),
        Verb::Logs(args) => logs::run(&args),
        Verb::Proxy(args) => proxy::run(&args),
        Verb::Mcp(args) => mcp::run(&args),
        Verb::Init(args) => init::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Seccomp(seccomp) => seccomp::run(&seccomp),
        Verb::Completions(args) => completions::run(&args),
        Verb::ContainerEntry => Ok(crate::container::entry::run()),
    }
}
