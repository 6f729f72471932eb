//! `jail run`: one connector, confined.

use super::ui;
use crate::failure::{Failure, Kind};
use crate::policy::{Backend, ConnectorName, Overrides, Policy, load};
use crate::session::{self, Session};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a connector in a jail: by name (its manifest is .cloned/connectors/NAME.yaml), or a command after `--`.
///
/// stdin and stdout are the connector's own; jail prints on stderr only. The exit code is the
/// connector's: 124 its time limit, 125 refused by jail, 126 cannot be started, 127 not found,
/// 128+N signal N.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The connector's name.
    #[arg(value_name = "NAME")]
    pub name: Option<ConnectorName>,
    /// A command and its arguments, instead of a name.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "name")]
    pub command: Vec<OsString>,
    /// Print the plan and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// The plan as JSON (with --dry-run).
    #[arg(long, requires = "dry_run")]
    pub json: bool,
    /// Write a report of the run to stderr when it ends: what was applied, proven, used.
    #[arg(long, value_name = "FORMAT")]
    pub report: Option<ReportFormat>,
    /// Write the report to this file instead.
    #[arg(long, value_name = "PATH", requires = "report")]
    pub report_file: Option<PathBuf>,
    /// Look at its system calls and record those that files, modes and limits refuse; `jail why` then explains
    /// them. It runs slower, and is confined the same.
    #[arg(long)]
    pub trace: bool,
    /// Serve connections on a unix socket, one jailed connector each: unix:PATH.
    #[arg(long, value_name = "unix:PATH", conflicts_with = "dry_run")]
    pub listen: Option<ListenAddress>,
    /// Give the connector a pseudo-terminal.
    #[arg(long, short = 't', conflicts_with = "listen")]
    pub tty: bool,
    /// With --sandbox=none: run it unjailed, with all your rights.
    #[arg(long)]
    pub i_accept_no_sandbox: bool,
    /// Say nothing about limits that cannot be enforced here and about what the network was used for; both
    /// stay in the report and the audit log.
    #[arg(long, short)]
    pub quiet: bool,
    // Last, since its heading is that of all options after it.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Shape of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    Json,
}

/// `unix:PATH`.
#[derive(Debug, Clone)]
pub struct ListenAddress(pub PathBuf);

impl std::str::FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self(path.into())),
            _ => Err("expected unix:PATH"),
        }
    }
}

/// Runs it and gives the exit code; every failure is shown here, since its code depends on its kind.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    // Where a caller ignores it, nobody learns how a child ended: not jail, nor the init that is to be.
    crate::sys::process::default_action(libc::SIGCHLD)
        .map_err(|e| Failure::new(Kind::Io, "cannot wait for children").because(e))?;
    let sources = load::Sources::of_process()?;
    let policy = policy(args, &sources)?;
    if policy.sandbox.value == Backend::None {
        if args.trace {
            return Err(Failure::new(
                Kind::Usage,
                "--trace shows what a jail refuses, and with --sandbox=none there is none",
            )
            .hint("strace -f shows what an unconfined program does"));
        }
        return crate::session::unjailed::run(
            &policy,
            &sources,
            args.i_accept_no_sandbox,
            args.quiet,
        );
    }
    let options = session::Options {
        report: args.report.is_some(),
        report_file: args.report_file.clone(),
        terminal: args.tty,
        trace: args.trace,
        quiet: args.quiet,
        asks: !args.dry_run,
    };
    if let Some(ListenAddress(path)) = &args.listen {
        return session::listen::serve(path, || {
            Session::prepare(policy.clone(), &sources, &options)
        });
    }
    let session = Session::prepare(policy, &sources, &options)?;
    if args.dry_run {
        let text = session.explained(args.json);
        ui::data(&text).map_err(|e| Failure::new(Kind::Io, "cannot print").because(e))?;
        return Ok(crate::exit::OK);
    }
    session.run()
}

fn policy(args: &RunArgs, sources: &load::Sources) -> Result<Policy, Failure> {
    match (&args.name, args.command.is_empty()) {
        (Some(name), _) => load::connector(name, sources, &args.overrides),
        (None, false) => load::ad_hoc(&args.command, sources, &args.overrides),
        (None, true) => {
            Err(Failure::new(Kind::Usage, "neither a connector nor a command was given")
                .hint("jail run NAME, or jail run -- COMMAND ARGS…")
                .hint("jail init makes a workspace with an example connector"))
        }
    }
}
