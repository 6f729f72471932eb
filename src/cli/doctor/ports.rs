//! `jail doctor ports`.

use super::{pretty, print};
use crate::audit;
use crate::cli::ui;
use crate::doctor::finding::{Finding, Place, Severity};
use crate::doctor::ports::look::{Seen, Wanted, look};
use crate::doctor::ports::report::{self, Report};
use crate::doctor::ports::{judge, rules};
use crate::doctor::sarif;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::load::{Rejection, Sources, WorkspaceRoot};
use crate::policy::{Origin, Problem};
use crate::ports::{Registry, RegistryPolicy, store};
use crate::session::running;
use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Debug, Args)]
pub struct PortsArgs {
    /// Print JSON (schema `jail.doctor.ports/1`) instead of a table
    #[arg(long)]
    pub json: bool,
    /// Print SARIF 2.1.0, for code hosts and editors
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub sarif: bool,
    /// Print the sockets as they were read, one a line, and judge nothing: protocol, state, both ends, holders, user, inode
    #[arg(long, conflicts_with_all = ["json", "sarif", "watch"])]
    pub list: bool,
    /// Also show what listens in the namespaces of running jails
    #[arg(long)]
    pub jails: bool,
    /// Go on, and print what comes and goes; ends on SIGINT, or when nobody reads any more
    #[arg(long)]
    pub watch: bool,
    /// How long `--watch` waits between two looks
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval, requires = "watch")]
    pub interval: Duration,
    /// End with 1 only for findings that are at least this bad
    ///
    /// What the registry's policy says `warn` to is a warning, what it says `deny` to an error.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: Severity,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match time < Duration::from_millis(100) {
        true => Err("at least 100ms".to_owned()),
        false => Ok(time),
    }
}

/// What the workspace says, read anew for each look: the registry may change while we watch.
pub(super) struct Context {
    registry: Registry,
    /// The file, where it is there.
    file: Option<PathBuf>,
    /// What is wrong with the file.
    problems: Vec<Finding>,
    running: running::Running,
    home: Option<PathBuf>,
}

impl Context {
    pub(super) fn read() -> Result<Self, Failure> {
        let sources = Sources::of_process()?;
        let root = WorkspaceRoot::find(&sources.cwd)?;
        let file = root.as_ref().map(store::path).filter(|path| path.exists());
        let mut problems = Vec::new();
        let registry = match root.as_ref().map(store::inspect) {
            None => Registry::default(),
            Some(Ok(registry)) => registry,
            Some(Err(Rejection::Unreadable(failure))) => return Err(failure),
            Some(Err(Rejection::Wrong(wrong))) => {
                problems = wrong.iter().map(registry_problem).collect();
                // What it says of ports cannot be known, so that none can be called unregistered.
                let unregistered = crate::ports::Judgement::Allow;
                let policy = RegistryPolicy { unregistered, ..RegistryPolicy::default() };
                Registry { policy, ..Registry::default() }
            }
        };
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = sources.home.clone();
        let folder = root.as_ref().map(|root| root.path.as_path());
        let log = audit::path_for(folder, state.as_deref(), home.as_deref());
        let running = match log {
            Some(log) => running::running(&log)?,
            None => running::Running { starts: Vec::new(), damaged: 0 },
        };
        Ok(Self { registry, file, problems, running, home })
    }

    pub(super) fn examine(&self, jails: bool, all: bool) -> Result<(Seen, Vec<Finding>), Failure> {
        let starts: Vec<_> = self.running.starts.iter().map(|(_, start)| start.clone()).collect();
        let wanted = Wanted {
            running: &starts,
            jails,
            unix: !self.registry.services.is_empty(),
            programs: self.registry.services.iter().any(|service| service.program.is_some()),
            all,
            home: self.home.as_deref(),
        };
        let mut seen = look(&wanted).map_err(|error| {
            Failure::new(Kind::Io, "cannot look at the sockets of this machine")
                .because(error)
                .hint("a /proc that shows this machine's network is needed")
        })?;
        if self.running.damaged > 0 {
            seen.notes
                .push("some running jails may be unknown: the audit log is damaged".to_owned());
        }
        let mut findings = self.problems.clone();
        findings.extend(judge(&seen.host, &self.registry, &seen.facts));
        unseen(&mut seen);
        Ok((seen, findings))
    }
}

/// Whose owners are not known, in words.
fn unseen(seen: &mut Seen) {
    let unknown = seen.host.sockets.iter().filter(|open| open.pids.is_empty()).count();
    if seen.host.hidden > 0 && unknown > 0 {
        seen.notes.push(format!(
            "the holders of {} are not known, among {} other processes that we may not look into (root may); \
             the users of the sockets are known, and everything else was judged",
            report::count(unknown, "socket"),
            seen.host.hidden,
        ));
    }
}

fn registry_problem(problem: &Problem) -> Finding {
    let place = match &problem.origin {
        Origin::File { path, line, column } => {
            Some(Place { file: path.clone(), line: *line, column: *column })
        }
        Origin::BuiltIn(_) | Origin::Flag(_) => None,
    };
    let field = if problem.field.is_empty() { "the file" } else { &problem.field };
    Finding {
        rule: &rules::REGISTRY,
        severity: rules::REGISTRY.severity,
        subject: format!("registry {field}"),
        evidence: problem.what.clone(),
        fix: problem
            .hint
            .clone()
            .unwrap_or_else(|| "correct it; `jail check` checks it".to_owned()),
        safe_fix: false,
        place,
    }
}

pub(super) fn run(args: &PortsArgs) -> Result<u8, Failure> {
    if args.watch {
        return watch(args);
    }
    let context = Context::read()?;
    let (seen, findings) = context.examine(args.jails, args.list)?;
    if args.list {
        let mut text = report::list(&seen.host);
        for jail in &seen.jails {
            text += &format!("# {} (run {})\n", jail.connector, jail.run);
            text += &report::list(&jail.observed);
        }
        return print(&text).map(|()| exit::OK);
    }
    let report =
        Report::new(&seen, &context.registry, context.file.as_deref(), &findings, args.fail_on);
    let text = if args.sarif {
        pretty(&sarif::log(rules::ALL, &findings.iter().collect::<Vec<_>>()))?
    } else if args.json {
        pretty(&report)?
    } else {
        report.table()
    };
    print(&text)?;
    if !args.json {
        seen.notes.iter().for_each(|note| ui::line(&format!("note: {note}")));
    }
    Ok(report.code())
}

/// What a look shows, as lines that can be compared.
fn shown(seen: &Seen, findings: &[Finding]) -> BTreeSet<(&'static str, String)> {
    let holder = |pid: &u32| seen.host.holders.get(pid).map(|holder| holder.describe());
    let sockets = seen.host.sockets.iter().map(|open| {
        let held: Vec<String> = open.pids.iter().filter_map(holder).collect();
        ("socket", format!("{} {}", open.subject(), held.join(", ")))
    });
    let jails = seen.jails.iter().flat_map(|jail| {
        let sockets = jail.observed.sockets.iter();
        sockets.map(|open| ("jail", format!("{}: {}", jail.connector, open.subject())))
    });
    let findings = findings.iter().map(|it| {
        let Finding { rule, subject, evidence, .. } = it;
        ("finding", format!("{subject}: {} [{}]: {evidence}", rule.title, rule.id))
    });
    sockets.chain(jails).chain(findings).collect()
}

fn watch(args: &PortsArgs) -> Result<u8, Failure> {
    let failed = |errno: nix::errno::Errno| {
        Failure::new(Kind::Io, "cannot wait for signals").because(errno.desc())
    };
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGTERM);
    mask.thread_block().map_err(failed)?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).map_err(failed)?;
    let pause = PollTimeout::try_from(args.interval).unwrap_or(PollTimeout::MAX);
    let mut before = BTreeSet::new();
    loop {
        let context = Context::read()?;
        let (seen, findings) = context.examine(args.jails, false)?;
        let now = shown(&seen, &findings);
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let gone = before.difference(&now).map(|it| ("-", it));
        let new = now.difference(&before).map(|it| ("+", it));
        let mut text = String::new();
        for (sign, (what, line)) in gone.chain(new) {
            text += &match args.json {
                true => format!(
                    "{}\n",
                    json!({"time": time, "change": sign, "what": what, "text": line})
                ),
                false => format!("{time} {sign} {what} {line}\n"),
            };
        }
        print(&text)?;
        before = now;
        let out = std::io::stdout();
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            // A reader that went away shows without being asked for.
            PollFd::new(out.as_fd(), PollFlags::empty()),
        ];
        let ready = poll(&mut fds, pause).map_err(failed)?;
        if ready > 0 {
            let failing = findings.iter().any(|finding| finding.severity >= args.fail_on);
            return Ok(if failing { exit::FINDINGS } else { exit::OK });
        }
    }
}
