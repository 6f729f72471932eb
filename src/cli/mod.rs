//! The command line: one file per verb.

pub mod doctor;
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
    /// Look at the machine: what works, what is missing, how to fix it
    Doctor(doctor::DoctorArgs),
}

/// Runs one verb and gives the exit code of the process.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match cli.verb {
        Verb::Doctor(args) => doctor::run(&args),
    }
}
