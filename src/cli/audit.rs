//! `jail audit`: read and check the log of runs.

pub(crate) mod table;

use super::ui;
use crate::audit::{self, AuditError, Entry, Filter, Reader, Report};
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::load::WorkspaceRoot;
use nix::poll::PollTimeout;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// See what ran, what was refused and how it ended, and check that nobody changed the record.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, clap::Subcommand)]
pub enum Act {
    Show(ShowArgs),
    Tail(TailArgs),
    Verify(VerifyArgs),
}

/// Print events, oldest first.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Only this run: its id, the beginning of it, or `last`.
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Only runs of this connector.
    #[arg(long, value_name = "NAME")]
    pub connector: Option<String>,
    /// Not before: `2h`, `7days`, or a time such as `2026-11-22T03:04:05Z`.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<SystemTime>,
    /// Only this kind of event.
    #[arg(long, value_enum)]
    pub kind: Option<KindArg>,
    #[command(flatten)]
    pub common: Common,
}

/// Print the last events.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// How many.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: usize,
    /// Go on with what is written from now on.
    #[arg(short, long)]
    pub follow: bool,
    #[command(flatten)]
    pub common: Common,
}

/// Check the whole log: each record, their order and the end. Ends with 1 where something was
/// changed or is missing, with 2 where the log cannot be read.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The log; that of the workspace without this.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Common {
    /// The log; that of the workspace without this.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print the records as they stand in the log, one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KindArg {
    RunStart,
    Applied,
    Denial,
    RunEnd,
    Firewall,
    Asked,
    Decision,
    Act,
}

impl KindArg {
    fn name(self) -> &'static str {
        match self {
            Self::RunStart => "run-start",
            Self::Applied => "applied",
            Self::Denial => "denial",
            Self::RunEnd => "run-end",
            Self::Firewall => "firewall",
            Self::Asked => "asked",
            Self::Decision => "decision",
            Self::Act => "act",
        }
    }
}

pub fn run(args: &AuditArgs) -> Result<u8, Failure> {
    match &args.act {
        Act::Show(args) => show(args),
        Act::Tail(args) => tail(args),
        Act::Verify(args) => verify(args),
    }
}

/// The log that these arguments mean.
pub(super) fn log_path(file: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file.to_owned());
    }
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::new(Kind::Io, "cannot tell the current folder").because(error))?;
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (state, home) = (folder("XDG_STATE_HOME"), folder("HOME"));
    let workspace = WorkspaceRoot::find(&cwd)?.map(|root| root.path);
    audit::path_for(workspace.as_deref(), state.as_deref(), home.as_deref()).ok_or_else(|| {
        Failure::new(Kind::Usage, "cannot tell where the audit log is")
            .because("there is no workspace, and neither XDG_STATE_HOME nor HOME is set")
            .hint("name it: --file FILE")
    })
}

fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    SystemTime::now().checked_sub(ago).ok_or_else(|| "too long ago".to_owned())
}

fn show(args: &ShowArgs) -> Result<u8, Failure> {
    let path = log_path(args.common.file.as_deref())?;
    let mut filter = Filter {
        run: args.run.clone(),
        connector: args.connector.clone(),
        since: args.since,
        kind: args.kind.map(|kind| kind.name().to_owned()),
    };
    if filter.run.as_deref() == Some("last") {
        filter.run = Some(last_run(&path, args.connector.clone())?);
    }
    let mut reader = Reader::open(&path, false)?;
    let mut out = Printer::new(args.common.json);
    let mut none = true;
    while let Some(entry) = next(&mut reader, &path)? {
        if !filter.wants(&entry) {
            continue;
        }
        none = false;
        if !out.entry(&entry)? {
            return Ok(exit::OK);
        }
    }
    out.flush()?;
    if none {
        ui::line(&format!("no event of {} fits", path.display()));
    }
    warn_damaged(reader.damaged());
    Ok(exit::OK)
}

/// The run that started last.
fn last_run(path: &Path, connector: Option<String>) -> Result<String, Failure> {
    let starts =
        Filter { connector, kind: Some(KindArg::RunStart.name().to_owned()), ..Filter::default() };
    let mut reader = Reader::open(path, false)?;
    let mut last = None;
    while let Some(entry) = next(&mut reader, path)? {
        if starts.wants(&entry) {
            last = Some(entry.run);
        }
    }
    last.map(|run| run.as_str().to_owned())
        .ok_or_else(|| Failure::new(Kind::Usage, "the log holds no such run"))
}

fn tail(args: &TailArgs) -> Result<u8, Failure> {
    let path = log_path(args.common.file.as_deref())?;
    let mut reader = Reader::open(&path, true)?;
    let mut last = VecDeque::new();
    while let Some(entry) = next(&mut reader, &path)? {
        last.push_back(entry);
        if last.len() > args.lines {
            last.pop_front();
        }
    }
    let mut out = Printer::new(args.common.json);
    for entry in &last {
        out.entry(entry)?;
    }
    out.flush()?;
    if args.follow {
        follow(&path, reader, &mut out)?;
    }
    Ok(exit::OK)
}

/// Prints what is appended, until the reader of our output leaves. A log that was moved away is
/// left for the new one, after its last records.
fn follow(
    path: &Path,
    mut reader: Reader<io::BufReader<std::fs::File>>,
    out: &mut Printer,
) -> Result<(), Failure> {
    let pause = PollTimeout::from(200u8);
    let place = || std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino(), file.len()));
    let mut known = place();
    while !ui::wait_while_read(pause) {
        let now = place();
        while let Some(entry) = next(&mut reader, path)? {
            if !out.entry(&entry)? {
                return Ok(());
            }
        }
        out.flush()?;
        let other = match (known, now) {
            (Some((dev, ino, len)), Some(now)) => (dev, ino) != (now.0, now.1) || now.2 < len,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if other {
            ui::line("the log was replaced or cut; going on with the new one");
            reader = Reader::open(path, true)?;
        }
        known = now;
    }
    Ok(())
}

pub(super) fn next(
    reader: &mut Reader<impl BufRead>,
    path: &Path,
) -> Result<Option<Entry>, Failure> {
    reader
        .next_entry()
        .map_err(|source| AuditError::Io { call: "read", path: path.to_owned(), source }.into())
}

pub(super) fn warn_damaged(lines: u64) {
    if lines > 0 {
        let noun = if lines == 1 { "line is" } else { "lines are" };
        ui::line(&format!("{lines} {noun} no record; see `jail audit verify`"));
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Verdict<'a> {
    file: String,
    sound: bool,
    #[serde(flatten)]
    report: &'a Report,
}

fn verify(args: &VerifyArgs) -> Result<u8, Failure> {
    let path = log_path(args.file.as_deref())?;
    let report = audit::verify(&path)?;
    let sound = report.is_sound();
    let mut text = String::new();
    if args.json {
        let verdict = Verdict { file: path.display().to_string(), sound, report: &report };
        text = serde_json::to_string(&verdict)
            .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
        text.push('\n');
    } else {
        for finding in &report.findings {
            text.push_str(&format!("{}:{}: {}\n", path.display(), finding.line, finding.text));
        }
    }
    print(&text)?;
    if !args.json {
        ui::line(&summary(&report));
    }
    Ok(if sound { exit::OK } else { exit::FINDINGS })
}

fn summary(report: &Report) -> String {
    let count = |number: u64, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let mut text = count(report.records, "record");
    let tears = report.tears + u64::from(report.open_tear);
    if tears > 0 {
        text += &format!(", {} (a writer was killed, or the disk was full)", count(tears, "tear"));
    }
    match report.findings.len() as u64 + report.more {
        0 => text + ", nothing was changed",
        findings => text + ", " + &count(findings, "finding"),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

/// Prints records, some at a time.
struct Printer {
    json: bool,
    colour: bool,
    begun: bool,
    text: String,
}

impl Printer {
    const CHUNK: usize = 32 * 1024;

    fn new(json: bool) -> Self {
        Self { json, colour: ui::data_colour(), begun: false, text: String::new() }
    }

    /// False where nobody reads any more.
    fn entry(&mut self, entry: &Entry) -> Result<bool, Failure> {
        if self.json {
            self.text.push_str(&entry.line);
            self.text.push('\n');
        } else {
            if !std::mem::replace(&mut self.begun, true) {
                self.text.push_str(&table::header());
            }
            self.text.push_str(&table::row(entry, self.colour));
        }
        if self.text.len() < Self::CHUNK {
            return Ok(true);
        }
        self.flush()?;
        Ok(!ui::wait_while_read(PollTimeout::ZERO))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        print(&self.text)?;
        self.text.clear();
        Ok(())
    }
}
