//! `jail doctor`: looks at the machine and says what is wrong and how to fix it.

mod all;
mod compose;
mod containers;
mod ports;

use super::ui;
use crate::doctor::host;
use crate::exit;
use crate::failure::{Failure, Kind};
use clap::{Args, Subcommand};

/// Look at everything, and say what is wrong and how to fix it: this machine, its ports, the policy, the record of runs, compose files
///
/// Exit code: 0 clean, 1 findings at or above `--fail-on`, 2 something could not be looked at.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DoctorArgs {
    #[command(subcommand)]
    pub what: Option<What>,
    #[command(flatten)]
    pub all: all::AllArgs,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Try every kernel feature that jail uses, and say what each missing one costs
    ///
    /// Exit code: 0 all that is needed is there, 1 something is missing, 2 could not look.
    Host(HostArgs),
    /// Compare the sockets that listen on this machine with the registry of ports
    ///
    /// Exit code: 0 clean, 1 findings at or above `--fail-on`, 2 could not look. Without root some
    /// holders cannot be seen; it says which, and judges the rest.
    Ports(ports::PortsArgs),
    /// Judge the containers that run here, by `inspect` and by what the kernel says of them
    ///
    /// Exit code: 0 clean, 1 findings at or above `--fail-on`, 2 could not look.
    Containers(containers::ContainersArgs),
}

#[derive(Debug, Args)]
pub struct HostArgs {
    /// Print JSON (schema `jail.doctor.host/1`) instead of a table
    #[arg(long)]
    pub json: bool,
    /// Print the AppArmor profile that lets this binary make user namespaces, and do nothing else
    #[arg(long, conflicts_with = "json")]
    pub apparmor: bool,
}

/// Runs the verb and gives the exit code.
pub fn run(args: &DoctorArgs) -> Result<u8, Failure> {
    match &args.what {
        None => all::run(&args.all),
        Some(What::Host(args)) if args.apparmor => apparmor(),
        Some(What::Host(args)) => examine(args),
        Some(What::Ports(args)) => ports::run(args),
        Some(What::Containers(args)) => containers::run(args),
    }
}

fn examine(args: &HostArgs) -> Result<u8, Failure> {
    let report = host::examine()
        .map_err(|why| Failure::new(Kind::Io, "cannot look at this machine").because(why))?;
    let text = if args.json {
        pretty(&report)?
    } else {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        report.table(host::family(&release))
    };
    print(&text)?;
    Ok(report.verdict.code())
}

fn apparmor() -> Result<u8, Failure> {
    let binary = std::env::current_exe()
        .map_err(|e| Failure::new(Kind::Io, "cannot find this binary's own path").because(e))?;
    print(&host::apparmor_profile(&binary))?;
    Ok(exit::OK)
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(Kind::Io, "cannot write the report").because(e))?;
    Ok(format!("{json}\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|e| Failure::new(Kind::Io, "cannot write to stdout").because(e))
}
