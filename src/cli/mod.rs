//! The command line: one file per verb.

pub mod audit;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod run;
pub mod schema;
mod seccomp;
pub mod ui;

use crate::failure::Failure;
use clap::{Parser, Subcommand};

/// Run connectors (MCP servers and other agent tools) so that they cannot hurt you.
#[derive(Debug, Parser)]
#[command(name = "jail", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Run(Box<run::RunArgs>),
    Explain(Box<explain::ExplainArgs>),
    Audit(audit::AuditArgs),
    Check(check::CheckArgs),
    Init(init::InitArgs),
    Schema(schema::SchemaArgs),
    /// Look at the machine: what works, what is missing, how to fix it
    Doctor(doctor::DoctorArgs),
    Seccomp(seccomp::Seccomp),
    Completions(completions::CompletionsArgs),
}

/// Runs one verb and gives the exit code of the process.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Init(args) => init::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Seccomp(seccomp) => seccomp::run(&seccomp),
        Verb::Completions(args) => completions::run(&args),
    }
}
