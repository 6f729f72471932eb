//! The command line: one file per verb.

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
    Seccomp(seccomp::Seccomp),
}

/// Runs one verb and gives the exit code of the process.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match cli.verb {
        Verb::Seccomp(seccomp) => seccomp::run(&seccomp),
    }
}
